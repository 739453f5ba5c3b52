import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { Address, Prefix } from "@tsilium/net";
import { repeat } from "@tsilium/testkit";
import { ClusterPool, type ClusterPoolOptions } from "./cluster-pool.ts";
import { IpamError } from "./errors.ts";

const pool = (podCidrs: readonly string[], options: Partial<ClusterPoolOptions> = {}) =>
  new ClusterPool({ podCidrs: podCidrs.map((cidr) => Prefix.parse(cidr)), ...options });
const code = (wanted: string) => (error: unknown) =>
  error instanceof IpamError && error.code === wanted;
const text = ({ ipv4, ipv6 }: { ipv4: Address | undefined; ipv6: Address | undefined }) =>
  `${ipv4 ?? "-"} ${ipv6 ?? "-"}`;

test("a pod gets one address of each family that the node has", () => {
  using both = pool(["10.244.0.0/24", "fd00:10:244::/64"]);
  assert.equal(text(both.allocateNext("ns/a")), "10.244.0.1 fd00:10:244::1");
  assert.equal(text(both.allocateNext("ns/b")), "10.244.0.2 fd00:10:244::2");
  using single = pool(["fd00:10:244::/64"]);
  assert.equal(text(single.allocateNext("ns/a")), "- fd00:10:244::1");
});

test("network and broadcast addresses are never handed out", () => {
  using small = pool(["10.244.0.0/30"]);
  const given = [small.allocateNext("a"), small.allocateNext("b")].map(text);
  assert.deepEqual(given, ["10.244.0.1 -", "10.244.0.2 -"]);
  assert.throws(() => small.allocateNext("c"), code("pool_exhausted"));
  for (const address of ["10.244.0.0", "10.244.0.3", "10.244.0.4", "fd00::1"])
    assert.throws(() => small.allocate(Address.parse(address), "c"), code("not_in_pool"));
});

test("a family that is full gives nothing of the other either", () => {
  using uneven = pool(["10.244.0.0/30", "fd00:10:244::/64"]);
  uneven.allocateNext("a");
  uneven.allocateNext("b");
  assert.throws(() => uneven.allocateNext("c"), code("pool_exhausted"));
  assert.deepEqual(
    uneven.usage().map(({ used }) => used),
    [2, 2],
  );
});

test("the message of a full pool says which one and how full", () => {
  using small = pool(["10.244.0.0/30"]);
  small.allocateNext("a");
  small.allocateNext("b");
  assert.throws(() => small.allocateNext("c"), {
    message: "no free IPv4 address in 10.244.0.0/30 (2 in use)",
  });
});

test("an address that is asked for by name is refused while somebody has it", () => {
  using node = pool(["10.244.0.0/24"]);
  const router = Address.parse("10.244.0.1");
  node.allocate(router, "router");
  assert.throws(() => node.allocate(router, "ns/a"), {
    message: "10.244.0.1 is in use by router",
    code: "address_in_use",
  });
  assert.equal(text(node.allocateNext("ns/a")), "10.244.0.2 -");
});

test("a freed address is handed out again only after the others, the longest freed first", () => {
  using small = pool(["10.244.0.0/29"]);
  const [first, second] = [small.allocateNext("a"), small.allocateNext("b")];
  small.releasePair(first);
  small.releasePair(second);
  const given = Array.from({ length: 6 }, (_, index) => text(small.allocateNext(String(index))));
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
    const lost = node.allocateNext("ns/lost");
    const kept = node.allocateNext("ns/kept");
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
    const undone = node.allocateNext("ns/undone");
    assert.equal(node.release(undone.ipv4 as Address), true);
    assert.equal(node.ownerOf(undone.ipv6 as Address), undefined);
    node.allocate(undone.ipv4 as Address, "ns/next");
    mock.timers.tick(600_000);
    assert.equal(node.ownerOf(undone.ipv4 as Address), "ns/next");
  } finally {
    mock.timers.reset();
  }
});

test("a second pod CIDR is used when the first is full", () => {
  using two = pool(["10.244.0.0/30", "10.244.7.0/30"]);
  const given = Array.from({ length: 4 }, (_, index) => text(two.allocateNext(String(index))));
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
    const pairs: ReturnType<ClusterPool["allocateNext"]>[] = [];
    for (let step = 0; step < 80; step++) {
      const room = node.usage().every(({ available }) => available > 0n);
      if (pairs.length === 0 || random.chance(0.55)) {
        const owner = `pod-${step}`;
        if (!room) {
          assert.throws(() => node.allocateNext(owner), code("pool_exhausted"));
          continue;
        }
        const pair = node.allocateNext(owner);
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
