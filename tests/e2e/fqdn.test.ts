// Names in policies with real DNS: what they let a pod reach, for how long, and what no name makes reachable.
//
//   node-1: client, near, spoofer     node-2: far     world     (l7/fqdn-lab.ts)
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ether } from "@tsilium/net";
import { isAgentWell, killProcess, until } from "./harness.ts";
import { linkTowards, type Runner, sendFrames } from "./frames.ts";
import { observe } from "./hubble/seen.ts";
import { FqdnLab, namespace, port, worldAddress, type ZoneRecord } from "./l7/fqdn-lab.ts";
import type { Flow } from "./l7/load.ts";
import { assertUnbroken, requestsIn } from "./l7/outcomes.ts";

let names: FqdnLab;

const record = (name: string, type: ZoneRecord["type"], data: string, ttl = 300): ZoneRecord => ({
  name,
  type,
  data,
  ttl,
});

/** Addresses by what they are used for. */
const at = {
  api: 1,
  wild: 2,
  other: 3,
  edge: 4,
  expired: 5,
  held: 6,
  spoofed: 7,
  many: 256,
  large: 1024,
} as const;

const zone: readonly ZoneRecord[] = [
  record("api.shop.test", "A", worldAddress(at.api)),
  record("api.shop.test", "AAAA", worldAddress(at.api, 6)),
  record("a.wild.shop.test", "A", worldAddress(at.wild)),
  record("a.wild.shop.test", "AAAA", worldAddress(at.wild, 6)),
  record("other.shop.test", "A", worldAddress(at.other)),
  record("www.shop.test", "CNAME", "edge.cdn.test"),
  record("edge.cdn.test", "CNAME", "origin.cdn.test"),
  record("origin.cdn.test", "A", worldAddress(at.edge)),
  record("expired.wild.shop.test", "A", worldAddress(at.expired), 1),
  record("held.wild.shop.test", "A", worldAddress(at.held), 1),
];

/** Who no name makes reachable, where somebody listens. */
function untouchables(): readonly {
  what: string;
  address: string;
  port: number;
  reason: string;
}[] {
  const { near, far } = names.facts;
  const pod = { port, reason: "pod address" };
  const node = { port: 4244, reason: "address of a node" };
  return [
    { what: "a pod of this node", address: near.ipv4, ...pod },
    { what: "a pod of this node, IPv6", address: near.ipv6, ...pod },
    { what: "a pod of another node", address: far.ipv4, ...pod },
    { what: "a pod of another node, IPv6", address: far.ipv6, ...pod },
    { what: "this node", address: "172.18.0.2", ...node },
    { what: "another node", address: "172.18.0.3", ...node },
    { what: "another node, IPv6", address: "fc00:18::3", ...node },
    {
      what: "the API server",
      address: "172.18.0.1",
      port: 6443,
      reason: "address of the API server",
    },
  ];
}

before(async () => {
  names = await FqdnLab.up();
  await names.say(zone);
});
after(() => names?.[Symbol.asyncDispose]());

/** A first packet that is dropped is sent again after a second: by then it is known. */
async function isReached(host: string, to = port): Promise<boolean> {
  return (await names.connect(host, { to, patienceS: 0.4 })).isConnected;
}

test("before there are rules, all of them are reached", async () => {
  for (const { what, address, port: to } of untouchables())
    assert.equal(await isReached(address, to), true, what);
  await names.restrict();
});

for (const family of [4, 6] as const)
  for (const [transport, option] of [
    ["UDP", "+notcp"],
    ["TCP", "+tcp"],
  ] as const)
    test(`a name and a pattern make their addresses reachable, and no others: IPv${family}, asked over ${transport}`, async () => {
      await names.lab.tsilium(["--node", "node-1", "fqdn", "cache", "clean", "-f"]);
      const type = family === 4 ? "A" : "AAAA";
      for (const [name, number] of [
        ["api.shop.test", at.api],
        ["a.wild.shop.test", at.wild],
      ] as const) {
        const address = worldAddress(number, family);
        assert.equal(await isReached(address), false, `${name} was not asked for`);
        assert.deepEqual(await names.dig(name, type, option), ["NOERROR", address]);
        // At once: the answer came when the kernel knew.
        const { isConnected, connectMs } = await names.connect(address);
        assert.equal(isConnected, true, name);
        assert.ok(connectMs < 900, `its first packet was lost: ${connectMs} ms`);
      }
      const other = worldAddress(at.other, family);
      assert.equal((await names.dig("other.shop.test", type, option))[0], "NOERROR");
      assert.equal(await isReached(other), false, "a name that may be asked for alone");
      assert.deepEqual(await names.dig("other.test", type, option), ["REFUSED"]);
    });

test("by its name it is reached in one go, and flows tell the name", async () => {
  await names.lab.tsilium(["--node", "node-1", "fqdn", "cache", "clean", "-f"]);
  const { isConnected, connectMs } = await names.connect("api.shop.test");
  assert.equal(isConnected, true);
  assert.ok(connectMs < 900, `${connectMs} ms`);
  const seen = async () => {
    const filter = ["--from-pod", `${namespace}/client`, "--to-port", String(port), "--last", "9"];
    const flows = await observe(names.lab, ...filter);
    return flows.flatMap((flow) => ("destination_names" in flow ? flow.destination_names : []));
  };
  await until("flows name it", async () => (await seen()).includes("api.shop.test"));
});

test("explain takes a name for who receives, and says which rule allows its address", async () => {
  const ask = async (name: string) => {
    const ends = ["--from", `${namespace}/client`, "--to", name, "--port", `${port}/tcp`];
    return names.lab.tsilium(["--node", "node-1", "policy", "explain", ...ends, "-o", "json"]);
  };
  await names.dig("api.shop.test");
  await names.dig("other.shop.test");
  const explained = JSON.parse((await ask("API.shop.test.")).stdout);
  assert.deepEqual([explained.to.address, explained.verdict], [worldAddress(at.api), "allowed"]);
  assert.match(explained.egress.rules[0].path, /^spec\.egress\[\d\]/);
  assert.equal(JSON.parse((await ask("other.shop.test")).stdout).verdict, "denied");
  const { status, stderr } = await ask("www.nobody.test");
  assert.equal(status, 1);
  assert.match(stderr, /no pod of this node was told an address of www\.nobody\.test/);
});

test("aliases: who asks for one reaches what it stands for, and what its own name allows", async () => {
  const address = worldAddress(at.edge);
  assert.equal(await isReached(address), false);
  assert.deepEqual(await names.dig("www.shop.test"), ["NOERROR", address]);
  assert.equal(await isReached(address), true);
  assert.deepEqual(await names.cached("edge.cdn.test"), [`edge.cdn.test. lookup ${address}`]);
});

test("when a TTL ends the address goes; one with a connection stays for as long as that", async () => {
  const [expired, held] = [worldAddress(at.expired), worldAddress(at.held)];
  assert.deepEqual(await names.dig("expired.wild.shop.test"), ["NOERROR", expired]);
  assert.deepEqual(await names.dig("held.wild.shop.test"), ["NOERROR", held]);
  await names.order({ kind: "start", flows: [names.flow("held", "keep", held, 50)] });
  await until("the name without a connection is forgotten", async () => {
    return (await names.cached("expired.wild.shop.test")).length === 0;
  });
  assert.equal(await isReached(expired), false);
  assert.deepEqual(await names.cached("held.wild.shop.test"), [
    `held.wild.shop.test. connection ${held}`,
  ]);
  const outcomes = await names.order({ kind: "stop" });
  assertUnbroken(outcomes);
  assert.ok(requestsIn(outcomes) > 20);
});

test("a name of 500 addresses that rotate: connections outlive their TTLs, and one identity is enough", async (t) => {
  const rounds = 50;
  const each = 10;
  const name = "rotating.wild.shop.test";
  const flows: Flow[] = [];
  for (let round = 0; round < rounds; round++) {
    const addresses = Array.from({ length: each }, (_, n) =>
      worldAddress(at.many + round * each + n),
    );
    await names.say([...zone, ...addresses.map((address) => record(name, "A", address, 1))]);
    const [status, ...found] = await names.dig(name, "+tcp");
    assert.deepEqual([status, found.toSorted()], ["NOERROR", addresses.toSorted()]);
    const [chosen = ""] = found;
    const flow = names.flow(`round ${round}`, "keep", chosen, 100);
    flows.push(flow);
    await names.order({ kind: "start", flows: [flow] });
  }
  // The addresses that nobody is connected to go, and only these.
  const live = flows.map(({ address }) => address).toSorted();
  let left: string[] = [];
  await until("the others are forgotten", async () => {
    left = (await names.cached(name)).flatMap((row) => row.split(" ").slice(2));
    return left.length === rounds;
  }).catch((error: unknown) => {
    assert.deepEqual(left.toSorted(), live, String(error));
  });
  assert.deepEqual(left.toSorted(), live);
  const outcomes = await names.order({ kind: "stop" });
  assertUnbroken(outcomes);
  t.diagnostic(`${requestsIn(outcomes)} requests of ${flows.length} connections`);
  assert.ok(Object.values(outcomes).every(({ requests }) => requests.length > 0));
  const identities = await names.lab.json<{ labels: readonly string[] }[]>(
    "--node",
    "node-1",
    "identity",
    "list",
  );
  const ofNames = identities.filter(({ labels }) =>
    labels.some((label) => label.startsWith("fqdn:")),
  );
  // One for each set of selectors and family.
  assert.ok(ofNames.length <= 6, JSON.stringify(ofNames));
});

test("500 addresses in one answer are all known when it comes", async () => {
  const addresses = Array.from({ length: 500 }, (_, n) => worldAddress(at.large + n));
  await names.say([...zone, ...addresses.map((each) => record("large.wild.shop.test", "A", each))]);
  const [status, ...found] = await names.dig("large.wild.shop.test", "+tcp");
  assert.deepEqual([status, found.length], ["NOERROR", 500]);
  const flows = found.map((address, n) => names.flow(`address ${n}`, "fresh", address, 60_000));
  await names.order({ kind: "start", flows });
  const outcomes = await names.order({ kind: "stop" });
  assertUnbroken(outcomes);
  const slow = Object.values(outcomes).filter(
    ({ requests: [first] }) => !first || first[2] - first[1] > 900_000,
  );
  assert.equal(slow.length, 0, "first packets were lost");
});

test("addresses of pods, nodes, the API server and metadata become reachable by no name", async () => {
  const list = untouchables();
  const metadata = { address: "169.254.169.254", reason: "link-local" };
  await names.say(
    [...list, metadata].map(({ address }, n) =>
      record(`evil-${n}.wild.shop.test`, address.includes(":") ? "AAAA" : "A", address),
    ),
  );
  for (const [n, { what, address, port: to }] of list.entries()) {
    const type = address.includes(":") ? "AAAA" : "A";
    assert.deepEqual(await names.dig(`evil-${n}.wild.shop.test`, type), ["NOERROR", address]);
    assert.equal(await isReached(address, to), false, what);
  }
  await names.dig(`evil-${list.length}.wild.shop.test`);
  type Names = { refused: readonly { name: string; address: string; reason: string }[] };
  const { refused } = await names.fqdn<Names>("names");
  const told = new Set(refused.map(({ address, reason }) => `${address} ${reason}`));
  for (const { address, reason } of [...list, metadata])
    assert.ok(told.has(`${address} ${reason}`), `${address}: ${[...told].join("; ")}`);
});

test("an agent that starts again knows the names before it changes anything", async () => {
  await names.say(zone);
  const address = worldAddress(at.api);
  assert.deepEqual(await names.dig("api.shop.test"), ["NOERROR", address]);
  for (const signal of ["SIGKILL", "SIGTERM"] as const) {
    const flows = [
      { ...names.flow("kept", "keep", address, 10), patienceMs: 500 },
      { ...names.flow("new", "fresh", address, 10), patienceMs: 500 },
    ];
    await names.order({ kind: "start", flows });
    await killProcess(names.lab, "agent/node-1", {
      signal,
      returned: () => isAgentWell(names.lab, "node-1"),
    });
    await names.objects.inKernels();
    const outcomes = await names.order({ kind: "stop" });
    assertUnbroken(outcomes);
    assert.ok(requestsIn(outcomes) > 50);
    const cached = await names.cached("api.shop.test");
    assert.ok(
      cached.some((row) => row.startsWith("api.shop.test. lookup ") && row.includes(address)),
      `after ${signal}: ${cached.join("; ")}`,
    );
    assert.equal(await isReached(worldAddress(at.other)), false);
  }
});

test("answers that another pod makes up teach nothing", async () => {
  const { spoofer, client } = names.facts;
  const dns = (await names.lab.pods("kube-system"))[0]?.status.podIPs?.[0]?.ip ?? "";
  const spoofed = worldAddress(at.spoofed);
  const runner: Runner = (command, options) =>
    names.lab.exec(namespace, "spoofer", command, options);
  const link = await linkTowards(runner, client.ipv4);
  const forged = [dns, "10.96.0.10", spoofer.ipv4].flatMap((src) =>
    [53, 16_384, 20_000, 32_767, 40_000].map((dport) =>
      ether(link)
        .ipv4({ src, dst: client.ipv4 })
        .udp({ sport: 53, dport, payload: answer("spoofed.wild.shop.test", spoofed) })
        .bytes(),
    ),
  );
  const since = new Date().toISOString();
  await sendFrames(runner, forged);
  assert.equal(await isReached(spoofed), false);
  assert.deepEqual(await names.cached("spoofed.wild.shop.test"), []);
  // As the DNS server's they do not even leave.
  const flows = await observe(names.lab, "--since", since, "--verdict", "DROPPED");
  const dropped = flows.filter(({ IP }) => IP?.source === dns || IP?.source === "10.96.0.10");
  assert.equal(dropped.length, 10);
});

test("the addresses that connections had kept are gone with them", async () => {
  await until("they are forgotten", async () => {
    const kept = [await names.cached("held.wild.shop.test"), await names.cached("rotating.*")];
    return kept.flat().length === 0;
  });
  for (const number of [at.held, at.many])
    assert.equal(await isReached(worldAddress(number)), false);
});

/** RFC 1035: an answer with one address. */
function answer(name: string, address: string): Buffer {
  const labels = name.split(".").map((label) => `${String.fromCharCode(label.length)}${label}`);
  return Buffer.concat([
    Buffer.from([0, 1, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]),
    Buffer.from(`${labels.join("")}\0\0\x01\0\x01`, "latin1"),
    Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 0, 0, 4]),
    Buffer.from(address.split(".").map(Number)),
  ]);
}
