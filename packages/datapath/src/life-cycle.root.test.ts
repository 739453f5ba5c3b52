import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { TestCluster } from "./testing/cluster.ts";

// One cluster for all: the tests leave it as they found it, but for the last two, which take it apart.
let cluster: TestCluster;

const hourNs = 3_600_000_000_000n;

/** What a node holds that pods could leave behind. */
async function census(node: number): Promise<string[]> {
  const status = await cluster.node(node).call("status");
  const maps = status.filter((line) => /tsi_(ep_if|ep_addr|ipcache)/.test(line));
  const pins = readdirSync(join(cluster.bpffs(node), "links")).sort();
  return [...maps, ...pins];
}

describe("the life of endpoints, connections and nodes", () => {
  before(async () => {
    cluster = await TestCluster.up({ routingMode: "tunnel" });
  });
  after(() => cluster[Symbol.asyncDispose]());

  test("sweeping removes connections and translations once their time is over, not before", async () => {
    const node = cluster.node(1);
    assert.equal(await cluster.pingLoss(cluster.pod(1).netns, cluster.world.ipv4, ["-c1"]), 0);
    const nowNs = process.hrtime.bigint();
    const now = await node.call("sweep", nowNs);
    assert.equal(now.deleted, 0);
    assert.ok(now.alive >= 3, "one connection and both halves of its translation");
    const later = await node.call("sweep", nowNs + hourNs);
    assert.deepEqual(later, { deleted: now.alive, alive: 0 });
    assert.deepEqual([...(await node.call("conntrack")), ...(await node.call("nat"))], []);
  });

  test("an endpoint that comes and goes leaves no link, pin or entry, and its coming takes under a millisecond", async () => {
    const before = await census(1);
    const node = cluster.node(1);
    const { entry } = cluster.pod(1);
    const upsertMs: number[] = [];
    for (let round = 0; round < 50; round++) {
      assert.equal(await node.call("deleteEndpoint", entry.id), true);
      assert.equal(await node.call("deleteEndpoint", entry.id), false, "a second time");
      upsertMs.push(await node.call("upsertEndpoint", entry));
    }
    assert.deepEqual(await census(1), before);
    const median = upsertMs.sort((a, b) => a - b)[25] ?? Infinity;
    assert.ok(median < 1, `median of upsert: ${median.toFixed(3)} ms`);
  });

  test("an endpoint that is gone gets nothing and sends nothing, and one that returns is served at once", async () => {
    const [first, second] = [cluster.pod(1), cluster.pod(2)];
    await cluster.node(1).call("deleteEndpoint", second.entry.id);
    assert.equal(await cluster.pingLoss(first.netns, second.ipv4, ["-c2", "-i0.1"]), 2);
    await cluster.node(1).call("upsertEndpoint", second.entry);
    assert.equal(await cluster.pingLoss(first.netns, second.ipv4, ["-c2", "-i0.1"]), 0);
  });

  test("a change of identity moves the epoch, the same endpoint again does not", async () => {
    const node = cluster.node(1);
    const { entry } = cluster.pod(1);
    const start = await node.call("epoch");
    await node.call("upsertEndpoint", entry);
    assert.equal(await node.call("epoch"), start);
    await node.call("upsertEndpoint", { ...entry, identity: 4242 });
    assert.equal(await node.call("epoch"), start + 1);
    await node.call("upsertEndpoint", entry);
  });

  test("a forged source address is dropped, counted and told as an event of its endpoint", async () => {
    const node = cluster.node(1);
    const { netns, entry } = cluster.pod(1);
    await node.call("startEvents");
    execFileSync("ip", [
      "-n",
      netns.replace(/.*\//, ""),
      "address",
      "add",
      "10.99.0.1/32",
      "dev",
      "eth0",
    ]);
    await sleep(200);
    assert.equal(
      await cluster.pingLoss(netns, cluster.pod(2).ipv4, ["-c2", "-i0.1", "-I10.99.0.1"]),
      2,
    );
    assert.ok((await node.call("metrics")).includes("Invalid source ip egress 2"));
    const events = await node.call("events");
    assert.deepEqual(
      events,
      Array.from({ length: 2 }, () => `drop 132 endpoint ${entry.id}`),
    );
  });

  test("the CLI's view reads the same connections while the agent is down, and says so where none ever ran", async () => {
    const node = cluster.node(1);
    await cluster.pingLoss(cluster.pod(1).netns, cluster.pod(2).ipv4, ["-c1"]);
    const connections = await node.call("conntrack");
    assert.ok(connections.length > 0);
    assert.deepEqual(await node.call("pinnedConntrack", cluster.bpffs(1)), connections);
    await assert.rejects(
      node.call("pinnedConntrack", "/nonexistent"),
      /no datapath is pinned under \/nonexistent/,
    );
  });

  test("a node that left is no longer believed or routed to", async () => {
    const { nodeIpv4, nodeIpv6, podCidrs } = cluster.config(2);
    const routed = { name: "node-2", ipv4: nodeIpv4, ipv6: nodeIpv6, podCidrs };
    assert.ok(nodeIpv4);
    await cluster.node(1).call("deleteNode", nodeIpv4, routed);
    assert.equal(
      await cluster.pingLoss(cluster.pod(3).netns, cluster.pod(1).ipv4, ["-c2", "-i0.1"]),
      2,
    );
    const routes = execFileSync(
      "ip",
      ["-n", cluster.netns("node-1").replace(/.*\//, ""), "route"],
      {
        encoding: "utf8",
      },
    );
    assert.doesNotMatch(routes, /10\.244\.1\.0/);
  });

  test("removal leaves no device, route or pin", async () => {
    await cluster.node(1).call("remove");
    const name = cluster.netns("node-1").replace(/.*\//, "");
    const ip = (...args: string[]): string =>
      execFileSync("ip", ["-n", name, ...args], { encoding: "utf8" });
    assert.doesNotMatch(ip("link"), /tsi_/);
    assert.doesNotMatch(ip("route") + ip("-6", "route"), /10\.244|fd00:10:244/);
    assert.equal(existsSync(join(cluster.bpffs(1), "maps")), false);
    assert.equal(existsSync(join(cluster.bpffs(1), "links")), false);
  });
});
