// Whom endpoints serve: zones by the size of their nodes.
import { strict as assert } from "node:assert";
import { test } from "node:test";
import type { Node } from "@tsilium/kube";
import { repeat } from "@tsilium/testkit";
import { sharedOut, zoneShares, type ZonedEndpoint } from "./topology.ts";

function node(
  zone: string | undefined,
  cpu: string | undefined,
  more: Record<string, string> = {},
): Node {
  return {
    metadata: {
      name: "n",
      labels: { ...(zone ? { "topology.kubernetes.io/zone": zone } : {}), ...more },
    },
    status: {
      conditions: [{ type: "Ready", status: "True" }],
      ...(cpu ? { allocatable: { cpu } } : {}),
    },
  };
}

const sharesText = (...nodes: Node[]) => {
  const shares = zoneShares(nodes);
  return shares && [...shares].map(([zone, share]) => `${zone} ${share}`).join(", ");
};

test("a zone's share is that of its nodes' processors", () => {
  assert.equal(sharesText(node("b", "1"), node("a", "2500m"), node("a", "500m")), "a 0.75, b 0.25");
});

test("nodes of the control plane and those that are not ready do not count", () => {
  const master = node("c", "8", { "node-role.kubernetes.io/control-plane": "" });
  const down: Node = { ...node("c", "8"), status: { allocatable: { cpu: "8" } } };
  assert.equal(sharesText(node("a", "1"), node("b", "1"), master, down), "a 0.5, b 0.5");
});

test("without zones, processors or a second zone there are no shares", () => {
  assert.equal(sharesText(node("a", "1"), node(undefined, "1")), undefined);
  assert.equal(sharesText(node("a", "1"), node("b", undefined)), undefined);
  assert.equal(sharesText(node("a", "1"), node("a", "1")), undefined);
  assert.equal(sharesText(), undefined);
});

/** "a:3 b:1": three endpoints in zone a, one in b. */
function endpointsOf(text: string): ZonedEndpoint[] {
  return text.split(" ").flatMap((part) => {
    const [zone = "", count] = part.split(":");
    return Array.from({ length: Number(count) }, (_, at) => ({ key: `${zone}${at}`, zone }));
  });
}

function served(endpoints: string, shares: Record<string, number>): string | undefined {
  const found = sharedOut(endpointsOf(endpoints), new Map(Object.entries(shares)));
  if (!found) return undefined;
  const counts = new Map<string, number>();
  for (const zone of found.values()) counts.set(zone, (counts.get(zone) ?? 0) + 1);
  return [...counts]
    .map(([zone, count]) => `${zone}:${count}`)
    .sort()
    .join(" ");
}

const halves = { a: 0.5, b: 0.5 };

/** sentence, endpoints by zone, shares, endpoints that serve each zone */
const rows: readonly (readonly [string, string, Record<string, number>, string | undefined])[] = [
  ["even zones serve themselves", "a:3 b:3", halves, "a:3 b:3"],
  ["a zone with too many lends", "a:5 b:1", halves, "a:3 b:3"],
  ["a zone without any borrows", "a:4 b:0", halves, "a:2 b:2"],
  ["a zone without nodes lends all it has", "a:2 b:2 c:2", halves, "a:3 b:3"],
  ["shares count, not zones", "a:4 b:4", { a: 0.75, b: 0.25 }, "a:6 b:2"],
  ["fewer endpoints than zones: none", "a:1 b:0", halves, undefined],
  ["a zone that would be overloaded: none", "a:1 b:1 c:1", { a: 0.8, b: 0.1, c: 0.1 }, undefined],
];
for (const [sentence, endpoints, shares, expected] of rows) {
  test(sentence, () => assert.equal(served(endpoints, shares), expected));
}

test("an endpoint of no zone leaves all without hints", () => {
  const endpoints = [...endpointsOf("a:3 b:3"), { key: "x", zone: undefined }];
  assert.equal(sharedOut(endpoints, new Map(Object.entries(halves))), undefined);
});

test("no zone's endpoints serve more than a fifth above their share, and one that goes moves few", () => {
  repeat({ runs: 200 }, (random) => {
    const cpus = ["a", "b", "c"].map((zone) => [zone, 1 + random.below(4)] as const);
    const total = cpus.reduce((sum, [, cpu]) => sum + cpu, 0);
    const shares = new Map(cpus.map(([zone, cpu]) => [zone, cpu / total]));
    const endpoints = Array.from({ length: 3 + random.below(60) }, (_, at) => ({
      key: `e${at}`,
      zone: random.pick(["a", "b", "c"]),
    }));
    const before = sharedOut(endpoints, shares);
    if (!before) return;
    for (const [zone, share] of shares) {
      const count: number = [...before.values()].filter((each) => each === zone).length;
      assert.ok(count >= (share * endpoints.length) / 1.2, `${zone}: ${count}`);
    }
    const after = sharedOut(endpoints.slice(1), shares);
    const moved = [...(after ?? [])].filter(([key, zone]) => before.get(key) !== zone).length;
    assert.ok(after === undefined || moved <= 4, `${moved} of ${endpoints.length}`);
  });
});
