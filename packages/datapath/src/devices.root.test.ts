import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { TestCluster } from "./testing/cluster.ts";
import { plainServices } from "./testing/service-config.ts";

//   pod 1, pod 2 == node 1 --- eth0 --- fabric --- world
//                          --- eth1 ---
let cluster: TestCluster;

const use = (...names: string[]) => cluster.node(1).call("useDevices", names);

function linkPins(): string[] {
  return readdirSync(join(cluster.bpffs(1), "links")).filter((name) => name.startsWith("eth"));
}

async function bad(): Promise<string[]> {
  return (await cluster.node(1).call("status")).filter((line) => line.startsWith("BAD"));
}

/** Pings to pod 1 by a device, from somebody who says that he is pod 2; answers how many of 20 arrived. */
async function forgedPings(device: string, meanwhile?: () => Promise<void>): Promise<number> {
  const [pod, other] = [cluster.pod(1), cluster.pod(2)];
  const before = cluster.pingsHeard(pod.netns);
  cluster.ip(
    "fabric",
    "route",
    "replace",
    `${pod.ipv4}/32`,
    "dev",
    `${device}n1`,
    "via",
    "172.19.0.2",
  );
  const flood = cluster.pingLoss(cluster.netns("fabric"), pod.ipv4, [
    "-c20",
    "-i0.02",
    "-W0.2",
    `-I${other.ipv4}`,
  ]);
  await meanwhile?.();
  await flood;
  cluster.ip("fabric", "route", "delete", `${pod.ipv4}/32`);
  return cluster.pingsHeard(pod.netns) - before;
}

async function invalidSources(): Promise<number> {
  const lines = await cluster.node(1).call("metrics");
  return Number(
    / (\d+)$/.exec(lines.find((line) => line.startsWith("Invalid source ip ingress")) ?? "")?.[1] ??
      0,
  );
}

before(async () => {
  cluster = await TestCluster.up({ routingMode: "native" });
  cluster.ip("fabric", "address", "add", `${cluster.pod(2).ipv4}/32`, "dev", "lo");
  cluster.ip("fabric", "address", "add", "198.51.100.1/32", "dev", "lo");
});
after(() => cluster[Symbol.asyncDispose]());

describe("underlay devices that come and go", () => {
  test("without programs whoever is behind a device may say that he is a pod", async () => {
    cluster.addWire(1, "eth1");
    cluster.ip("node-1", "link", "set", "eth1", "up");
    assert.ok((await forgedPings("eth1")) > 0);
    cluster.ip("node-1", "link", "set", "eth1", "down");
  });

  test("a further one is policed before it forwards, and the others' packets lose nothing", async () => {
    const dropped = await invalidSources();
    const [pod, other] = [cluster.pod(2), cluster.pod(3)];
    const steady = Promise.all([
      cluster.pingLoss(pod.netns, other.ipv4, ["-c150", "-i0.005"]),
      cluster.pingLoss(pod.netns, other.ipv6, ["-c150", "-i0.005"]),
      cluster.pingLoss(pod.netns, cluster.world.ipv4, ["-c150", "-i0.005"]),
    ]);
    const arrived = await forgedPings("eth1", async () => {
      assert.equal(await use("eth0", "eth1"), true);
      cluster.ip("node-1", "link", "set", "eth1", "up");
    });
    assert.equal(arrived, 0);
    assert.ok((await invalidSources()) > dropped, "they came, and were dropped");
    assert.deepEqual(await steady, [0, 0, 0]);
    assert.deepEqual(await bad(), []);
    assert.equal(cluster.sysctl("node-1", "ipv4/conf/eth1/rp_filter"), "0");
  });

  test("what leaves by it is masqueraded", async () => {
    // The fabric has no way to pods: only the node's own address is answered.
    cluster.ip("node-1", "route", "add", "198.51.100.1/32", "via", "172.19.0.1", "dev", "eth1");
    assert.equal(
      await cluster.pingLoss(cluster.pod(1).netns, "198.51.100.1", ["-c2", "-i0.05"]),
      0,
    );
    assert.ok((await cluster.node(1).call("nat")).some((line) => line.includes("198.51.100.1")));
  });

  test("the same again is nothing to do, and tables that grow stay at all of them", async () => {
    assert.equal(await use("eth1", "eth0"), false);
    assert.equal(await cluster.node(1).call("growServices", 70_000), true);
    assert.deepEqual(await bad(), []);
    assert.equal(linkPins().length, 4);
  });

  test("one that cannot be had changes nothing", async () => {
    await assert.rejects(use("eth0", "eth1", "eth9"), /no device eth9/);
    await assert.rejects(use(), /no device faces the underlay/);
    assert.deepEqual(await bad(), []);
    assert.equal(linkPins().length, 4);
  });

  test("one that went is let go, and policed again when it was made anew", async () => {
    cluster.ip("node-1", "link", "delete", "eth1");
    assert.equal((await bad()).length, 2, "it is missed");
    assert.equal(await use("eth0"), true);
    assert.deepEqual([await bad(), linkPins()], [[], ["eth0_egress", "eth0_ingress"]]);
    cluster.addWire(1, "eth1");
    await use("eth0", "eth1");
    // Gone and back between two looks: another device of the same name.
    cluster.ip("node-1", "link", "delete", "eth1");
    cluster.addWire(1, "eth1");
    assert.equal(await use("eth0", "eth1"), true);
    cluster.ip("node-1", "link", "set", "eth1", "up");
    assert.equal(await forgedPings("eth1"), 0);
    assert.deepEqual(await bad(), []);
  });

  test("XDP goes where the other programs go", async () => {
    await cluster.node(1).kill();
    const services = { ...plainServices, nodePort: true, acceleration: "generic" } as const;
    await cluster.startNode(1, { services });
    assert.deepEqual(
      linkPins(),
      ["eth0_egress", "eth0_ingress", "eth0_xdp_generic"],
      "eth1 was let go",
    );
    await use("eth0", "eth1");
    assert.ok((await cluster.node(1).call("status")).includes("ok link eth1 xdp: generic"));
    await use("eth0");
    assert.deepEqual(linkPins(), ["eth0_egress", "eth0_ingress", "eth0_xdp_generic"]);
  });

  test("kernels without tcx do it by clsact", async () => {
    await cluster.node(1).kill();
    await cluster.startNode(1, { attachBy: "clsact" });
    await use("eth0", "eth1");
    assert.equal(await forgedPings("eth1"), 0);
    await use("eth0");
    assert.ok((await forgedPings("eth1")) > 0, "it was let go");
  });
});
