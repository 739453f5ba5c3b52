import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { TestCluster } from "./testing/cluster.ts";
import { buildOlderObjects } from "./testing/older-objects.ts";

test("kill -9 and return of a node's agent lose no packet, allow new flows meanwhile and keep its endpoints", async () => {
  await using cluster = await TestCluster.up({ routingMode: "tunnel" });
  const before = await cluster.node(1).call("endpoints");
  const flood = ["-c600", "-i0.004"];
  const targets = [cluster.pod(2).ipv4, cluster.pod(3).ipv6, cluster.world.ipv4];
  const established = Promise.all(
    targets.map((target) => cluster.pingLoss(cluster.pod(1).netns, target, flood)),
  );
  await sleep(300);
  await cluster.node(1).kill();
  assert.equal(
    await cluster.pingLoss(cluster.pod(2).netns, cluster.pod(4).ipv4, ["-c3", "-i0.1"]),
    0,
    "a new flow",
  );
  await cluster.startNode(1);
  assert.deepEqual(await cluster.node(1).call("endpoints"), before);
  assert.deepEqual(await established, [0, 0, 0]);
});

test("an upgrade that changes layouts and sizes moves the tables and keeps connections", async () => {
  const directory = mkdtempSync(join(tmpdir(), "tsit-older-"));
  try {
    await using cluster = await TestCluster.up({
      routingMode: "tunnel",
      objects: buildOlderObjects(directory),
    });
    const world = cluster.peer(cluster.netns("world"));
    const first = cluster.peer(cluster.netns("pod-1"));
    await world.call("listen", 8080);
    const toWorld = await first.call("connect", cluster.world.ipv4, 8080);
    assert.equal(await first.call("exchange", toWorld, "before"), "::ffff:172.18.0.2 before");
    const older = new Set(readdirSync(join(cluster.bpffs(1), "maps")));
    const established = cluster.pingLoss(cluster.pod(1).netns, cluster.pod(3).ipv4, [
      "-c400",
      "-i0.004",
    ]);

    await cluster.node(1).kill();
    await cluster.startNode(1, { conntrackMax: 32_768, objects: TestCluster.currentObjects });

    assert.equal(await first.call("exchange", toWorld, "after"), "::ffff:172.18.0.2 after");
    assert.equal(await established, 0);
    const connections = await cluster.node(1).call("conntrack");
    const fromPod = new RegExp(`^6 ${cluster.pod(1).ipv4} \\d+ -> 203.0.113.10 8080$`);
    assert.equal(
      connections.filter((line) => fromPod.test(line)).length,
      1,
      connections.join("\n"),
    );
    const pins = readdirSync(join(cluster.bpffs(1), "maps"));
    const changed = pins
      .filter((name) => !older.has(name))
      .map((name) => name.replace(/_[0-9a-f]{8}$/, ""));
    assert.deepEqual(changed.sort(), [
      "tsi_ct4",
      "tsi_ct4_new",
      "tsi_ct6",
      "tsi_ct6_new",
      "tsi_flow",
      "tsi_lb_affinity",
      "tsi_lb_flow",
      "tsi_lb_socket",
      "tsi_nat4",
      "tsi_translation",
    ]);
    assert.equal(pins.length, older.size, "older pins are gone");
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("an agent that attaches by tcx takes over from one that used clsact, and the other way round", async () => {
  await using cluster = await TestCluster.up({ routingMode: "native", attachBy: "clsact" });
  for (const attachBy of ["tcx", "clsact"] as const) {
    const flood = cluster.pingLoss(cluster.pod(1).netns, cluster.pod(3).ipv4, ["-c300", "-i0.004"]);
    await cluster.node(1).kill();
    await cluster.startNode(1, { attachBy });
    assert.equal(await flood, 0, `to ${attachBy}`);
    const links = readdirSync(join(cluster.bpffs(1), "links")).sort();
    const expected = [
      "eth0_egress",
      "eth0_ingress",
      "lxc_101",
      "lxc_102",
      "tsi_host_egress",
      "tsi_host_ingress",
    ];
    assert.deepEqual(links, attachBy === "tcx" ? expected : []);
  }
});
