import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { Address, Prefix } from "@tsilium/net";
import { repeat } from "@tsilium/testkit";

import { IpamError } from "./errors.ts";
import type { ExpiringPair } from "./model.ts";
import { PoolIpam, type PoolIpamOptions } from "./pool-ipam.ts";

/** With a sentence for what must not fail. */
class Node extends PoolIpam {
  take(owner: string): ExpiringPair {
    const pair = this.tryAllocate(owner);
    assert.ok(pair, "nothing was free");
    return pair;
  }
}

function pool(podCidrs: readonly string[], options: Partial<PoolIpamOptions> = {}): Node {
  const prefixes = podCidrs.map((cidr) => Prefix.parse(cidr));
  const families = ([4, 6] as const).filter((family) =>
    prefixes.some((prefix) => prefix.family === family),
  );
  const node = new Node({ mode: "cluster-pool", families, ...options });
  node.setRanges("default", prefixes);
  return node;
}
const code = (wanted: string) => (error: unknown) =>
  error instanceof IpamError && error.code === wanted;
const text = ({ ipv4, ipv6 }: { ipv4: Address | undefined; ipv6: Address | undefined }) =>
  `${ipv4 ?? "-"} ${ipv6 ?? "-"}`;

test("a pod gets one address of each family that the node has", () => {
  using both = pool(["10.244.0.0/24", "fd00:10:244::/64"]);
  assert.equal(text(both.take("ns/a")), "10.244.0.1 fd00:10:244::1");
  assert.equal(text(both.take("ns/b")), "10.244.0.2 fd00:10:244::2");
  using single = pool(["fd00:10:244::/64"]);
  assert.equal(text(single.take("ns/a")), "- fd00:10:244::1");
});

test("network and broadcast addresses are never handed out", async () => {
  using small = pool(["10.244.0.0/30"]);
  const given = [small.take("a"), small.take("b")].map(text);
  assert.deepEqual(given, ["10.244.0.1 -", "10.244.0.2 -"]);
  await assert.rejects(small.allocate("c"), code("pool_exhausted"));
  for (const address of ["10.244.0.0", "10.244.0.3", "10.244.0.4", "fd00::1"])
    assert.throws(() => small.allocateAddress(Address.parse(address), "c"), code("not_in_pool"));
});

test("a family that is full gives nothing of the other either", async () => {
  using uneven = pool(["10.244.0.0/30", "fd00:10:244::/64"]);
  uneven.take("a");
  uneven.take("b");
  await assert.rejects(uneven.allocate("c"), code("pool_exhausted"));
  assert.deepEqual(
    uneven.usage().map(({ used }) => used),
    [2, 2],
  );
});

test("the message of a full pool says which one and how full", async () => {
  using small = pool(["10.244.0.0/30"]);
  small.take("a");
  small.take("b");
  await assert.rejects(small.allocate("c"), {
    message: "no free IPv4 address in 10.244.0.0/30 (2 in use)",
  });
});

test("an address that is asked for by name is refused while somebody has it", () => {
  using node = pool(["10.244.0.0/24"]);
  const router = Address.parse("10.244.0.1");
  node.allocateAddress(router, "router");
  assert.throws(() => node.allocateAddress(router, "ns/a"), {
    message: "10.244.0.1 is in use by router",
    code: "address_in_use",
  });
  assert.equal(text(node.take("ns/a")), "10.244.0.2 -");
});

test("a freed address is handed out again only after the others, the longest freed first", () => {
  using small = pool(["10.244.0.0/29"]);
  const [first, second] = [small.take("a"), small.take("b")];
  small.releasePair(first);
  small.releasePair(second);
  const given = Array.from({ length: 6 }, (_, index) => text(small.take(String(index))));
  assert.deepEqual(given, [
    "10.244.0.3 -",
    "10.244.0.4 -",
    "10.244.0.5 -",
    "10.244.0.6 -",
    "10.244.0.1 -",
    "10.244.0.2 -",
  ]);
});

test("an address whose CNI ADD never ends goes back; a confirmed one stays", () => {
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
  try {
    const expired: string[] = [];
    using node = pool(["10.244.0.0/24", "fd00:10:244::/64"], {
      onExpired: ({ owner }) => expired.push(owner),
    });
    const lost = node.take("ns/lost");
    const kept = node.take("ns/kept");
    assert.equal(node.confirm(kept.expirationId), true);
    mock.timers.tick(599_999);
    assert.equal(node.dump().length, 4);
    mock.timers.tick(1);
    assert.deepEqual(expired, ["ns/lost"]);
    assert.deepEqual(
      node.dump().map(({ address, owner }) => `${address} ${owner}`),
      ["10.244.0.2 ns/kept", "fd00:10:244::2 ns/kept"],
    );
    assert.equal(node.confirm(lost.expirationId), false);
  } finally {
    mock.timers.reset();
  }
});

test("a pair that is released before it was confirmed does not expire on its next owner", () => {
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
  try {
    using node = pool(["10.244.0.0/24", "fd00:10:244::/64"]);
    const undone = node.take("ns/undone");
    assert.equal(node.release(undone.ipv4 as Address), true);
    assert.equal(node.ownerOf(undone.ipv6 as Address), undefined);
    node.allocateAddress(undone.ipv4 as Address, "ns/next");
    mock.timers.tick(600_000);
    assert.equal(node.ownerOf(undone.ipv4 as Address), "ns/next");
  } finally {
    mock.timers.reset();
  }
});

test("a second pod CIDR is used when the first is full", () => {
  using two = pool(["10.244.0.0/30", "10.244.7.0/30"]);
  const given = Array.from({ length: 4 }, (_, index) => text(two.take(String(index))));
  assert.deepEqual(given, ["10.244.0.1 -", "10.244.0.2 -", "10.244.7.1 -", "10.244.7.2 -"]);
});

test("no address ever has two owners, none is lost, and a pool with room gives", () => {
  repeat({ runs: 150 }, (random) => {
    const cidrs = random.pick([
      ["10.0.0.0/29", "fd00::/125"],
      ["10.0.0.0/30", "10.0.9.0/31"],
      ["fd00::/64"],
      ["10.0.0.0/28", "fd00::/64"],
    ]);
    using node = pool(cidrs, { restMs: random.pick([0, 30_000]) });
    const owned = new Map<string, string>();
    const pairs: ExpiringPair[] = [];
    for (let step = 0; step < 80; step++) {
      const room = node.usage().every(({ available }) => available > 0n);
      if (pairs.length === 0 || random.chance(0.55)) {
        const owner = `pod-${step}`;
        if (!room) {
          assert.equal(node.tryAllocate(owner), undefined);
          continue;
        }
        const pair = node.take(owner);
        pairs.push(pair);
        for (const address of [pair.ipv4, pair.ipv6]) {
          if (!address) continue;
          assert.ok(!owned.has(address.toString()), `${address} was given twice`);
          owned.set(address.toString(), owner);
        }
        if (random.chance(0.5)) node.confirm(pair.expirationId);
      } else {
        const [pair] = pairs.splice(random.below(pairs.length), 1);
        if (!pair) continue;
        node.releasePair(pair);
        for (const address of [pair.ipv4, pair.ipv6]) if (address) owned.delete(String(address));
      }
      const dumped = node.dump().map(({ address, owner }) => [address.toString(), owner] as const);
      assert.deepEqual(new Map(dumped), owned);
    }
  });
});

const addresses = (...texts: string[]) => texts.map((text) => Prefix.parse(text));

test("whoever finds nothing free waits for addresses that come, and gets one each", async () => {
  using node = pool(["10.0.0.0/32"], { patienceMs: 5_000 });
  node.take("first");
  const waiting = ["a", "b", "c"].map((owner) => node.allocate(owner));
  assert.deepEqual(node.demand(), [{ pool: "default", family: 4, used: 1, waiting: 3 }]);
  node.setRanges("default", addresses("10.0.0.0/32", "10.0.0.1/32", "10.0.0.2/32"));
  node.setRanges("default", addresses("10.0.0.0/32", "10.0.0.1/32", "10.0.0.2/32", "10.0.0.9/32"));
  const given = (await Promise.all(waiting)).map(text);
  assert.deepEqual(given, ["10.0.0.1 -", "10.0.0.2 -", "10.0.0.9 -"]);
  assert.deepEqual(node.demand(), [{ pool: "default", family: 4, used: 4, waiting: 0 }]);
});

test("an address that is released goes to whoever waits", async () => {
  using node = pool(["10.0.0.0/32"], { patienceMs: 5_000 });
  const first = node.take("first");
  const waiting = node.allocate("second");
  node.releasePair(first);
  assert.equal(text(await waiting), "10.0.0.0 -");
  assert.equal(node.ownerOf(Address.parse("10.0.0.0")), "second");
});

test("whoever is told to stop waiting takes nothing with it", async () => {
  using node = pool(["10.0.0.0/32"], { patienceMs: 5_000 });
  const first = node.take("first");
  const stop = new AbortController();
  const waiting = node.allocate("second", { signal: stop.signal });
  stop.abort(new Error("deleted"));
  node.releasePair(first);
  await assert.rejects(waiting, { message: "deleted" });
  assert.deepEqual(node.dump(), []);
});

test("exhaustion says what to do, and is told of", async () => {
  const told: string[] = [];
  using node = pool(["10.0.0.0/32"], {
    advice: ({ pool: name }) => `widen ${name}`,
    onExhausted: ({ family }, { message }) => told.push(`IPv${family}: ${message}`),
  });
  node.take("first");
  await assert.rejects(node.allocate("second"), code("pool_exhausted"));
  assert.deepEqual(told, ["IPv4: no free IPv4 address in 10.0.0.0/32 (1 in use); widen default"]);
  assert.deepEqual(node.problem(), {
    blocksAdd: true,
    message: "no free IPv4 address in 10.0.0.0/32 (1 in use); widen default",
  });
});

test("a pod gets its addresses from the pools it names, family by family", async () => {
  using node = pool(["10.0.0.0/24", "fd00::/64"]);
  node.setRanges("blue", addresses("10.9.0.0/24", "fd09::/64"));
  const blue = { ipv4: "blue" };
  assert.equal(text(await node.allocate("a", { pool: blue })), "10.9.0.1 fd00::1");
  assert.deepEqual(
    node.dump().map(({ address, pool: name }) => `${address} ${name}`),
    ["10.9.0.1 blue", "fd00::1 default"],
  );
  await assert.rejects(node.allocate("b", { pool: { ipv6: "red" } }), {
    code: "pool_exhausted",
    message: "no free IPv6 address of pool red: the node has none of them yet",
  });
  assert.equal(node.dump().length, 2);
});

test("a pool that there is not is in demand while a pod waits for it, and forgotten afterwards", async () => {
  using node = pool(["10.0.0.0/24"], { patienceMs: 5_000 });
  const stop = new AbortController();
  const blue = { pool: { ipv4: "blue" }, signal: stop.signal };
  const waiting = [node.allocate("a", blue), node.allocate("b", blue)];
  assert.deepEqual(node.demand(), [{ pool: "blue", family: 4, used: 0, waiting: 2 }]);
  node.setRanges("blue", []);
  stop.abort(new Error("deleted"));
  for (const each of waiting) await assert.rejects(each, { message: "deleted" });
  assert.deepEqual(node.demand(), []);
  assert.deepEqual(node.pools(), ["default"]);
});

test("a restored address is nobody else's, whichever pool it turns out to be of", () => {
  using node = new Node({ mode: "multi-pool", families: [4] });
  node.restore(Address.parse("10.9.0.1"), "ns/old");
  assert.throws(() => node.restore(Address.parse("10.9.0.1"), "ns/other"), code("address_in_use"));
  node.setRanges("blue", addresses("10.9.0.0/30"));
  assert.deepEqual(node.demand(), [{ pool: "blue", family: 4, used: 1, waiting: 0 }]);
  assert.equal(text(node.tryAllocate("new", { ipv4: "blue" }) as ExpiringPair), "10.9.0.2 -");
  assert.equal(node.tryAllocate("newer", { ipv4: "blue" }), undefined);
});

test("an address of a range that went stays with its pod, and is not handed out again", () => {
  using node = pool(["10.0.0.0/32", "10.0.0.1/32"]);
  const pair = node.take("a");
  node.setRanges("default", addresses("10.0.0.1/32"));
  assert.equal(node.ownerOf(Address.parse("10.0.0.0")), "a");
  node.take("b");
  node.releasePair(pair);
  assert.equal(node.tryAllocate("c"), undefined);
});

test("an address that another node's pod has is passed over", () => {
  const elsewhere = new Set(["10.0.0.1", "10.0.0.2"]);
  using node = pool(["10.0.0.0/29"], {
    takenElsewhere: (address) => (elsewhere.has(String(address)) ? "node-2" : undefined),
  });
  const given = ["a", "b", "c", "d"].map((owner) => text(node.take(owner)));
  assert.deepEqual(given, ["10.0.0.3 -", "10.0.0.4 -", "10.0.0.5 -", "10.0.0.6 -"]);
  assert.equal(node.tryAllocate("e"), undefined);
  elsewhere.delete("10.0.0.2");
  assert.equal(text(node.take("e")), "10.0.0.2 -");
});

test("pools that overlap never give one address twice", () => {
  using node = pool(["10.0.0.0/30"]);
  node.setRanges("same", addresses("10.0.0.0/30"));
  const given = [
    node.tryAllocate("a"),
    node.tryAllocate("b", { ipv4: "same" }),
    node.tryAllocate("c"),
    node.tryAllocate("d", { ipv4: "same" }),
  ].map((pair) => pair && text(pair));
  assert.deepEqual(given, ["10.0.0.1 -", "10.0.0.2 -", undefined, undefined]);
});
