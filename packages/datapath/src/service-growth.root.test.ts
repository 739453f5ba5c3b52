import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Address } from "@tsilium/net";
import type { ServiceConfig, ServiceSurvey } from "./model.ts";
import { openMaps } from "./open-maps.ts";
import { TestCluster } from "./testing/cluster.ts";
import { plainServices } from "./testing/service-config.ts";
import {
  backend,
  backendSet,
  frontend,
  putAll,
  removeAll,
  services,
  table,
} from "./testing/services.ts";

// One cluster for all, in the order of a node's life: each test goes on with what the test before left.
let cluster: TestCluster;

const tables = /^tsi_lb_(frontend|address|set|slot|backend|maglev|source|skip)_/;

async function restart(changes: Partial<ServiceConfig>): Promise<void> {
  await cluster.node(1).kill();
  await cluster.startNode(1, { services: { ...plainServices, ...changes } });
}

/** Pins of the tables that can grow. */
function tablePins(): string[] {
  return readdirSync(join(cluster.bpffs(1), "maps"))
    .filter((name) => tables.test(name))
    .toSorted();
}

/** Of the frontends' table. */
async function room(): Promise<string | undefined> {
  const usage = await cluster.node(1).call("serviceUsage");
  return usage.find((line) => line.startsWith("tsi_lb_frontend "));
}

async function survey(): Promise<ServiceSurvey> {
  const found = await cluster.node(1).call("surveyServices");
  return {
    ...found,
    backends: found.backends.toSorted((a, b) => a.id - b.id),
    sets: found.sets.toSorted((a, b) => a.id - b.id),
    frontends: found.frontends.toSorted((a, b) => a.id - b.id),
  };
}

/** Thirty services, the last one by Maglev and in front of pod 3, where an echo server listens. */
function thirty(): ServiceSurvey {
  const plain = services(1, 29);
  const pod = Address.parse(cluster.pod(3).ipv4);
  return {
    ...plain,
    backends: [...plain.backends, backend(5000, { address: pod, port: 8080 })],
    sets: [...plain.sets, backendSet(30, [5000], { maglev: table(251, [5000]) })],
    frontends: [...plain.frontends, frontend(30)],
  };
}

before(async () => {
  cluster = await TestCluster.up({ routingMode: "tunnel" });
});
after(() => cluster[Symbol.asyncDispose]());

describe("tables of services", () => {
  test("that are full say what to raise, and take more once they are larger", async () => {
    await restart({ mapMax: 100 });
    await cluster.node(1).call("applyServices", putAll(thirty()));
    assert.equal(await room(), "tsi_lb_frontend 30 of 100");
    const more = services(100, 80);
    const apply = cluster.node(1).call("applyServices", putAll({ frontends: more.frontends }));
    await assert.rejects(apply, /tsi_lb_address has no room \(100 entries\): raise bpf-lb-map-max/);
  });

  test("grow without loss: of what they hold, of packets, of connections through a service", async () => {
    const node = cluster.node(1);
    await node.call("applyServices", removeAll({ frontends: services(100, 80).frontends }));
    const before = await survey();
    const pins = tablePins();
    const server = cluster.peer(cluster.netns("pod-3"));
    await server.call("listen", 8080);
    const client = cluster.peer(cluster.netns("pod-1"));
    const connection = await client.call("connect", "10.96.0.30", 80);
    assert.equal(
      await client.call("exchange", connection, "before"),
      `::ffff:${cluster.pod(1).ipv4} before`,
    );
    const flood = cluster.pingLoss(cluster.pod(1).netns, cluster.pod(3).ipv4, ["-c300", "-i0.004"]);

    assert.equal(await node.call("growServices", 2048), true);

    assert.deepEqual(await survey(), before);
    assert.equal(await room(), "tsi_lb_frontend 30 of 2048");
    assert.equal(
      await client.call("exchange", connection, "after"),
      `::ffff:${cluster.pod(1).ipv4} after`,
    );
    const another = await client.call("connect", "10.96.0.30", 80);
    assert.equal(
      await client.call("exchange", another, "new"),
      `::ffff:${cluster.pod(1).ipv4} new`,
    );
    assert.equal(await flood, 0);
    assert.equal(tablePins().length, pins.length, "the old ones are gone");
    assert.equal(tablePins().filter((pin) => pins.includes(pin)).length, 0, "all are new");
    assert.deepEqual(
      (await node.call("status")).filter((line) => line.startsWith("BAD")),
      [],
    );
    await node.call("applyServices", putAll(services(100, 500)));
    assert.equal((await survey()).frontends.length, 530);
  });

  test("are not made smaller, nor anew when they are large enough", async () => {
    const pins = tablePins();
    assert.equal(await cluster.node(1).call("growServices", 2048), false);
    assert.equal(await cluster.node(1).call("growServices", 100), false);
    assert.deepEqual(tablePins(), pins);
  });

  test("are read by whoever looks at the pins, the agent's death or not", async () => {
    const expected = await survey();
    await cluster.node(1).kill();
    const pinned = openMaps({ bpffs: cluster.bpffs(1) }).services;
    assert.deepEqual(
      [...pinned.frontends()].toSorted((a, b) => a.id - b.id),
      expected.frontends,
    );
    assert.deepEqual(pinned.backends(), expected.backends);
    assert.deepEqual(pinned.sets(), expected.sets);
    assert.deepEqual(pinned.maglev(30), table(251, [5000]));
    assert.equal(pinned.maglev(1), undefined);
    assert.deepEqual(
      [pinned.sourceRanges(), pinned.exceptions(), pinned.affinities()],
      [[], [], []],
    );
    assert.ok(
      pinned.flows().some(({ backend: id, frontendPort }) => id === 5000 && frontendPort === 80),
    );
  });

  test("keep what they hold when an agent starts with a smaller size, and take the size that was asked for once it fits", async () => {
    await restart({ mapMax: 100 });
    assert.equal((await survey()).frontends.length, 530);
    assert.match((await room()) ?? "", /^tsi_lb_frontend 530 of 2382$/);
    assert.ok((await cluster.node(1).call("log")).some((line) => /too small/.test(line)));
    await cluster.node(1).call("applyServices", removeAll(services(100, 500)));
    await restart({ mapMax: 100 });
    assert.equal(await room(), "tsi_lb_frontend 30 of 100");
    assert.deepEqual((await survey()).sets.at(-1)?.maglev, new Uint32Array(0));
  });

  test("are made anew without Maglev tables when those get another size", async () => {
    await restart({ mapMax: 100, maglevTableSize: 509 });
    assert.equal((await survey()).sets.at(-1)?.maglev, undefined);
    const last = backendSet(30, [5000], { maglev: table(509, [5000]) });
    await cluster.node(1).call("applyServices", putAll({ sets: [last] }));
    assert.deepEqual(openMaps({ bpffs: cluster.bpffs(1) }).services.maglev(30), last.maglev);
  });

  test("stay as they were when programs cannot be switched to larger ones", async () => {
    const before = await survey();
    const pins = tablePins();
    cluster.ip("node-1", "link", "delete", "eth0");
    await assert.rejects(
      cluster.node(1).call("growServices", 4096),
      /attaching from_netdev to eth0/,
    );
    assert.deepEqual(tablePins(), pins);
    assert.deepEqual(await survey(), before);
    await cluster.node(1).call("applyServices", putAll(services(40, 1)));
    assert.equal(await room(), "tsi_lb_frontend 31 of 100");
  });
});
