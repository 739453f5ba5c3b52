import assert from "node:assert/strict";
import { test } from "node:test";
import { Prefix } from "@tsilium/net";
import { repeat } from "@tsilium/testkit";
import { choosePools } from "./choice.ts";
import { excess, neededFor, preAllocations, requests, roomOf } from "./demand.ts";

test("pre-allocations are pool=count, and eight of the default pool when nobody says", () => {
  assert.deepEqual([...preAllocations([], "main")], [["main", 8]]);
  assert.deepEqual(
    [...preAllocations(["default=16", "blue=0"], "default")],
    [
      ["default", 16],
      ["blue", 0],
    ],
  );
  for (const word of ["default", "=8", "blue=-1", "blue=x", "blue=1.5", "blue=100000"])
    assert.throws(() => preAllocations([word], "default"), {
      message: `${JSON.stringify(word)} is not pool=count`,
    });
});

test("what a node asks for leaves the pre-allocation free, in whole steps of it", () => {
  const rows = [
    [0, 8, 8],
    [1, 8, 16],
    [8, 8, 16],
    [9, 8, 24],
    [5, 0, 5],
    [3, 1, 4],
  ] as const;
  for (const [inUse, preAllocation, needed] of rows)
    assert.equal(neededFor(inUse, preAllocation), needed, `${inUse} with ${preAllocation}`);
  repeat({ runs: 200 }, (random) => {
    const preAllocation = 1 + random.below(30);
    const inUse = random.below(500);
    const needed = neededFor(inUse, preAllocation);
    assert.ok(needed - inUse >= preAllocation && needed - inUse < 2 * preAllocation);
    assert.equal(needed % preAllocation, 0);
  });
});

test("a node asks for pools it keeps warm, has addresses of, or has pods waiting for", () => {
  const demand = [
    { pool: "default", family: 4, used: 3, waiting: 0 },
    { pool: "default", family: 6, used: 3, waiting: 0 },
    { pool: "blue", family: 4, used: 0, waiting: 2 },
  ] as const;
  assert.deepEqual(
    requests(
      demand,
      new Map([
        ["default", 8],
        ["warm", 4],
      ]),
      [4, 6],
    ),
    [
      { pool: "blue", needed: { "ipv4-addrs": 2, "ipv6-addrs": 0 } },
      { pool: "default", needed: { "ipv4-addrs": 16, "ipv6-addrs": 16 } },
      { pool: "warm", needed: { "ipv4-addrs": 4, "ipv6-addrs": 4 } },
    ],
  );
});

test("CIDRs nobody has an address of go back, the last first, as far as the request allows", () => {
  const ranges = new Map([
    ["default", ["10.0.0.0/29", "10.0.0.8/29", "10.0.0.16/29"].map((text) => Prefix.parse(text))],
    ["gone", [Prefix.parse("10.9.0.0/29")]],
  ]);
  const ask = (needed: number, ...used: string[]) =>
    excess(
      ranges,
      [{ pool: "default", needed: { "ipv4-addrs": needed } }],
      (prefix) => used.filter((each) => each === prefix.toString()).length,
    ).map(String);
  assert.deepEqual(ask(8), ["10.0.0.16/29", "10.9.0.0/29"]);
  assert.deepEqual(ask(6, "10.0.0.16/29"), ["10.0.0.8/29", "10.0.0.0/29", "10.9.0.0/29"]);
  assert.deepEqual(ask(18, "10.9.0.0/29"), []);
  assert.deepEqual(ask(0), ["10.0.0.16/29", "10.0.0.8/29", "10.0.0.0/29", "10.9.0.0/29"]);
});

test("room is what can be handed out", () => {
  const rooms = ["10.0.0.0/29", "10.0.0.0/31", "10.0.0.0/32", "fd00::/125", "fd00::/128"];
  assert.deepEqual(
    rooms.map((text) => roomOf(Prefix.parse(text))),
    [6n, 2n, 1n, 7n, 1n],
  );
});

const rows: readonly (readonly [string, Record<string, string>, Record<string, string>, string])[] =
  [
    ["nothing", {}, {}, "main main"],
    ["the pod's pool", { "ip-pool": "blue" }, { "ip-pool": "red" }, "blue blue"],
    ["the pod's pool of one family", { "ipv4-pool": "blue" }, {}, "blue main"],
    ["both kinds at the pod", { "ip-pool": "blue", "ipv6-pool": "red" }, {}, "blue red"],
    ["the namespace's pool", {}, { "ip-pool": "red" }, "red red"],
    ["one family at each", { "ipv6-pool": "blue" }, { "ipv4-pool": "red" }, "red blue"],
    ["an empty name", { "ip-pool": "" }, { "ip-pool": "red" }, "red red"],
  ];
for (const [name, pod, namespace, expected] of rows)
  test(`pools named by ${name} are ${expected}`, () => {
    const prefixed = (annotations: Record<string, string>) => {
      const named = Object.entries(annotations).map(
        ([key, value]) => [`ipam.cilium.io/${key}`, value] as const,
      );
      return { metadata: { name: "x", annotations: Object.fromEntries(named) } };
    };
    const { ipv4, ipv6 } = choosePools(
      { ...prefixed(pod), spec: { containers: [] } },
      prefixed(namespace),
      "main",
    );
    assert.equal(`${ipv4} ${ipv6}`, expected);
  });

test("an annotation that cannot name a pool is refused in words, and shortened", () => {
  for (const name of ["../../etc", " main", "main,blue", "__proto__", "Blue", "x".repeat(254)]) {
    const metadata = { name: "x", annotations: { "ipam.cilium.io/ip-pool": name } };
    assert.throws(
      () => choosePools({ metadata, spec: { containers: [] } }, undefined, "main"),
      ({ code, details }: { code?: number; details?: string }) =>
        code === 103 &&
        details !== undefined &&
        details.length < 200 &&
        details.includes("ipam.cilium.io/ip-pool of x"),
    );
  }
});
