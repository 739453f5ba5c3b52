import assert from "node:assert/strict";
import { test } from "node:test";
import { TestCluster } from "./testing/cluster.ts";
import type { ClusterOptions } from "./testing/cluster.ts";

/** Who pings whom: names of namespaces and of what `targets` lists. */
const conversations: [from: string, to: string][] = [
  ["pod-1", "pod on the same node"],
  ["pod-1", "pod on the other node"],
  ["pod-1", "gateway"],
  ["pod-1", "own node"],
  ["pod-1", "other node"],
  ["pod-1", "world"],
  ["node-1", "pod on this node"],
  ["node-1", "pod on the other node"],
];

function targets(cluster: TestCluster): Record<string, string[]> {
  const [first, second, third] = [cluster.pod(1), cluster.pod(2), cluster.pod(3)];
  return {
    "pod on this node": [first.ipv4, first.ipv6],
    "pod on the same node": [second.ipv4, second.ipv6],
    "pod on the other node": [third.ipv4, third.ipv6],
    gateway: ["10.244.0.1", "fd00:10:244::1"],
    "own node": ["172.18.0.2", "fc00:18::2"],
    "other node": ["172.18.0.3", "fc00:18::3"],
    world: [cluster.world.ipv4, cluster.world.ipv6],
  };
}

const variants: [sentence: string, options: ClusterOptions][] = [
  ["VXLAN", { routingMode: "tunnel" }],
  ["native routing", { routingMode: "native" }],
  ["VXLAN with clsact in place of tcx", { routingMode: "tunnel", attachBy: "clsact" }],
];

for (const [sentence, options] of variants) {
  test(`everything reaches everything over both families by ${sentence}, without a drop`, async () => {
    await using cluster = await TestCluster.up(options);
    const addresses = targets(cluster);
    const lost: string[] = [];
    const pings = conversations.flatMap(([from, to]) =>
      (addresses[to] ?? []).map(async (address) => {
        const loss = await cluster.pingLoss(cluster.netns(from), address, ["-c2", "-i0.1"]);
        if (loss > 0) lost.push(`${from} -> ${to} (${address}): ${loss} of 2`);
      }),
    );
    await Promise.all(pings);
    assert.deepEqual(lost, []);
    for (const node of [1, 2]) {
      const drops = (await cluster.node(node).call("metrics")).filter(
        (line) => !/^(Success|Absorbed)/.test(line),
      );
      assert.deepEqual(drops, [], `drops of node ${node}`);
      const sick = (await cluster.node(node).call("status")).filter((line) =>
        line.startsWith("BAD"),
      );
      assert.deepEqual(sick, [], `status of node ${node}`);
    }
  });
}

test("the world sees a masqueraded pod as its node, and nodes see it as itself", async () => {
  await using cluster = await TestCluster.up({ routingMode: "tunnel" });
  const world = cluster.peer(cluster.netns("world"));
  const third = cluster.peer(cluster.netns("pod-3"));
  const first = cluster.peer(cluster.netns("pod-1"));
  await world.call("listen", 8080);
  await third.call("listen", 8080);
  const seen: string[] = [];
  for (const host of [
    cluster.world.ipv4,
    cluster.world.ipv6,
    cluster.pod(3).ipv4,
    cluster.pod(3).ipv6,
  ]) {
    const client = await first.call("connect", host, 8080);
    seen.push(await first.call("exchange", client, "hello"));
  }
  assert.deepEqual(seen, [
    "::ffff:172.18.0.2 hello",
    "fc00:18::2 hello",
    `::ffff:${cluster.pod(1).ipv4} hello`,
    `${cluster.pod(1).ipv6} hello`,
  ]);
});
