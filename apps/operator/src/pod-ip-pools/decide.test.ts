import assert from "node:assert/strict";
import { test } from "node:test";
import { Prefix } from "@tsilium/net";
import { repeat } from "@tsilium/testkit";
import { cidrsOf, decidePools, type NodePools, type PodIpPool, roomIn } from "./decide.ts";

const parse = (texts: readonly string[]) => texts.map((text) => Prefix.parse(text));

function pool(name: string, ranges: readonly string[], maskSize: number): PodIpPool {
  return { name, families: [{ family: 4, ranges: parse(ranges), maskSize }] };
}

function node(
  name: string,
  needed: Readonly<Record<string, number>>,
  allocated: Readonly<Record<string, readonly string[]>> = {},
): NodePools {
  return {
    name,
    createdAt: `2026-01-01T00:00:0${name.slice(-1)}Z`,
    requested: Object.entries(needed).map(([each, count]) => ({
      pool: each,
      needed: { "ipv4-addrs": count },
    })),
    allocated: new Map(Object.entries(allocated).map(([each, cidrs]) => [each, parse(cidrs)])),
  };
}

const text = (allocated: NodePools["allocated"]) =>
  [...allocated].map(([name, cidrs]) => `${name}: ${cidrs.join(" ")}`).join("; ");

function decide(mine: NodePools, others: readonly NodePools[], ...pools: PodIpPool[]): string {
  const byName = new Map(pools.map((each) => [each.name, each]));
  const { allocated, error } = decidePools(mine, [mine, ...others], {
    pools: byName,
    families: [4],
  });
  return `${text(allocated)}${error === undefined ? "" : ` (${error})`}`;
}

const small = pool("default", ["10.0.0.0/27"], 29);
const blue = pool("blue", ["10.9.0.0/28"], 30);

test("a node gets as many CIDRs of each pool as what it asks for needs", () => {
  assert.equal(
    decide(node("node-1", { default: 8, blue: 1 }), [], small, blue),
    "default: 10.0.0.0/29 10.0.0.8/29; blue: 10.9.0.0/30",
  );
});

test("what it has it keeps, asked for or not, and gets only what is missing", () => {
  const had = { default: ["10.0.0.8/29"], gone: ["192.0.2.0/28"] };
  assert.equal(
    decide(node("node-1", { default: 7 }, had), [], small),
    "default: 10.0.0.8/29 10.0.0.0/29; gone: 192.0.2.0/28",
  );
});

test("CIDRs of other nodes are stepped around, of whatever pool they are", () => {
  const other = node("node-2", {}, { blue: ["10.0.0.0/30"], default: ["10.0.0.8/29"] });
  assert.equal(decide(node("node-1", { default: 1 }), [other], small), "default: 10.0.0.16/29");
});

test("a pool that is full gives what it has left, and says what to do", () => {
  const other = node("node-2", {}, { default: ["10.0.0.0/28", "10.0.0.16/29"] });
  assert.equal(
    decide(node("node-1", { default: 16 }), [other], small),
    "default: 10.0.0.24/29 (CiliumPodIPPool default has no free IPv4 CIDR of length 29 left in 10.0.0.0/27: the node has room for 6 addresses and asks for 16; add a range to the pool)",
  );
});

test("a pool that is not there, or lacks the family, is said to be", () => {
  assert.equal(decide(node("node-1", { red: 1 }), []), " (there is no CiliumPodIPPool red)");
  const none: PodIpPool = { name: "red", families: [] };
  assert.equal(
    decide(node("node-1", { red: 1 }), [], none),
    " (CiliumPodIPPool red has no IPv4 range)",
  );
});

test("what is wrong is told once for both families, and of many pools about the first few", () => {
  const { error } = decidePools(
    {
      ...node("node-1", {}),
      requested: Array.from({ length: 20 }, (_, number) => ({
        pool: `p${number}`,
        needed: { "ipv4-addrs": 1, "ipv6-addrs": 1 },
      })),
    },
    [],
    { pools: new Map(), families: [4, 6] },
  );
  assert.match(
    error ?? "",
    /^there is no CiliumPodIPPool p0; there is no CiliumPodIPPool p1; .*p7; and 12 more$/,
  );
});

test("of two nodes with the same CIDR the younger is told, and gets nothing more till then", () => {
  const older = node("node-1", {}, { default: ["10.0.0.0/29"] });
  const younger = node("node-2", { default: 20 }, { default: ["10.0.0.0/30"] });
  assert.equal(
    decide(younger, [older], small),
    "default: 10.0.0.0/30 (pod CIDR 10.0.0.0/30 overlaps 10.0.0.0/29 of node node-1, which had it first)",
  );
});

test("however nodes ask and give back, no two have overlapping CIDRs, and nobody starves beside free ones", () => {
  repeat({ runs: 40 }, (random) => {
    const pools = new Map(
      [small, pool("blue", ["10.0.0.16/28", "10.9.0.0/28"], 30)].map((each) => [each.name, each]),
    );
    const nodes = new Map<string, NodePools>();
    for (let step = 0; step < 40; step++) {
      const name = `node-${random.below(5)}`;
      const before = nodes.get(name) ?? node(name, {});
      const needed = { default: random.below(14), blue: random.below(5) };
      const kept = [...before.allocated].map(
        ([each, cidrs]) => [each, cidrs.filter(() => random.chance(0.7))] as const,
      );
      const asks = { ...node(name, needed), allocated: new Map(kept) };
      nodes.set(name, asks);
      const { allocated, error } = decidePools(asks, nodes.values(), { pools, families: [4] });
      nodes.set(name, { ...asks, allocated });
      const all = [...nodes.values()].flatMap(cidrsOf);
      all.forEach((one, at) =>
        all.slice(at + 1).forEach((other) => assert.ok(!one.overlaps(other), `${one} ${other}`)),
      );
      if (error !== undefined) continue;
      for (const [each, count] of Object.entries(needed))
        assert.ok(roomIn(allocated.get(each) ?? [], 4) >= BigInt(count));
    }
  });
});
