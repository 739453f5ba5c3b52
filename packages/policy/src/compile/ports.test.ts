import assert from "node:assert/strict";
import { test } from "node:test";
import { repeat } from "@tsilium/testkit";
import { cutRange, readCut, sizeOf } from "./port-cuts.ts";
import { allow, deny, pods, policy, ports } from "./testing/build.ts";
import { Scene } from "./testing/scene.ts";

/** "1024/6": first port and prefix length. */
function cuts(first: number, last: number): string[] {
  return cutRange(6, first, last).map((cut) => {
    const { port, length } = readCut(cut);
    return `${port}/${length}`;
  });
}

const cutRows: readonly (readonly [first: number, last: number, expected: readonly string[]])[] = [
  [80, 80, ["80/16"]],
  [0, 0, ["0/16"]],
  [65_535, 65_535, ["65535/16"]],
  [0, 65_535, ["0/0"]],
  [1, 65_535, Array.from({ length: 16 }, (_, bit) => `${1 << bit}/${16 - bit}`)],
  [0, 1, ["0/15"]],
  [1, 2, ["1/16", "2/16"]],
  [1024, 65_535, ["1024/6", "2048/5", "4096/4", "8192/3", "16384/2", "32768/1"]],
  [8080, 8090, ["8080/13", "8088/15", "8090/16"]],
];

for (const [first, last, expected] of cutRows)
  test(`ports ${first} to ${last} are ${expected.length} blocks`, () =>
    assert.deepEqual(cuts(first, last), expected));

test("the blocks of a range cover each of its ports once, no other, in at most 30 pieces", () => {
  repeat({ runs: 200 }, (random) => {
    const [first = 0, last = 0] = [random.below(65_536), random.below(65_536)].sort(
      (a, b) => a - b,
    );
    const blocks = cutRange(17, first, last).map(readCut);
    assert.ok(blocks.length <= 30);
    let next = first;
    for (const { protocol, port, length } of blocks) {
      assert.deepEqual({ protocol, port }, { protocol: 17, port: next });
      assert.equal(port % sizeOf(length), 0, "aligned");
      next += sizeOf(length);
    }
    assert.equal(next, last + 1);
  });
});

test("a range ends where it says, at both ends", () => {
  const scene = new Scene({
    policies: [policy("p", [allow({ ports: ports("1000-2000", "0", "65535") })])],
  });
  const allowed = [
    "0",
    "1",
    "999",
    "1000",
    "1001",
    "1999",
    "2000",
    "2001",
    "65534",
    "65535",
  ].filter((port) => scene.ask({ peer: "web", port }) === "allow by p[0]");
  assert.deepEqual(allowed, ["0", "1000", "1001", "1999", "2000", "65535"]);
});

test("a range is of its protocol", () => {
  const scene = new Scene({ policies: [policy("p", [allow({ ports: ports("53/udp") })])] });
  assert.equal(scene.ask({ peer: "web", port: "53/udp" }), "allow by p[0]");
  for (const port of ["53", "53/sctp", "gre", "icmp 53"])
    assert.equal(scene.ask({ peer: "web", port }), "deny by default of p");
});

test("a hole in a range is denied as long as it is wide, and no wider", () => {
  const scene = new Scene({
    policies: [
      policy("p", [allow({ ports: ports("1-65535") }), deny({ ports: ports("100-200") })]),
    ],
  });
  const answers = ["99", "100", "150", "200", "201"].map((port) =>
    scene.ask({ peer: "web", port }),
  );
  assert.deepEqual(answers, ["allow by p[0]", ...Array(3).fill("deny by p[1]"), "allow by p[0]"]);
});

test("ranges that overlap in any way decide each port as if it were looked at alone", () => {
  repeat({ runs: 60 }, (random) => {
    const rules = Array.from({ length: 1 + random.below(6) }, () => {
      // Small numbers, so that ranges meet: all of what follows happens within 64 ports.
      const [first = 0, last = 0] = [random.below(64), random.below(64)].sort((a, b) => a - b);
      return { first, last, verdict: random.pick(["allow", "deny"] as const) };
    });
    const scene = new Scene({
      policies: [
        policy(
          "p",
          rules.map(({ first, last, verdict }) => {
            const fields = { peers: [pods("app=web")], ports: ports(`${first}-${last}`) };
            return verdict === "allow" ? allow(fields) : deny(fields);
          }),
        ),
      ],
    });
    for (let port = 0; port < 66; port++) {
      const matching = (verdict: string) =>
        rules.findIndex(
          (rule) => rule.verdict === verdict && rule.first <= port && port <= rule.last,
        );
      const [denying, allowing] = [matching("deny"), matching("allow")];
      const expected =
        denying >= 0
          ? `deny by p[${denying}]`
          : allowing >= 0
            ? `allow by p[${allowing}]`
            : "deny by default of p";
      assert.equal(scene.ask({ peer: "web", port: String(port) }), expected, `port ${port}`);
    }
  });
});

test("a block that says what the block around it says has no entry", () => {
  const scene = new Scene({
    policies: [
      policy("p", [allow({ ports: ports("*") }), allow({ ports: ports("80", "1000-2000") })]),
      policy("q", [deny({ ports: ports("80-81") })]),
    ],
  });
  const { rules } = scene.node.compiler.slotsOf(1).ingress;
  assert.deepEqual(
    rules.map(({ port, portLength, verdict }) => `${port}/${portLength} ${verdict}`).sort(),
    ["0/0 allow", "80/15 deny"],
  );
});
