import assert from "node:assert/strict";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { timestampFromNs } from "../codec/index.ts";
import { Code, ConnectError, connectTo, createClient } from "../grpc/index.ts";
import { Health } from "../gen/grpc/health/v1/health_pb.ts";
import { LostEventSource } from "../model.ts";
import { TestCluster, until } from "./testing/cluster.ts";
import type { TestPeer } from "./testing/test-peer.ts";

const second = 1_000_000_000n;
const t0 = 1_700_000_000n * second;
const at = (...ms: readonly number[]) => ms.map((each) => t0 + BigInt(each) * 1_000_000n);
const nowNs = () => BigInt(Date.now()) * 1_000_000n;
const node = (cluster: TestCluster, number: number) => cluster.nodes[number - 1] as TestPeer;

// Most of their time they wait.
suite("relay", { concurrency: 6 }, () => {
  test("the newest N flows are N of all nodes together, oldest first", async () => {
    await using cluster = await TestCluster.start(3);
    node(cluster, 1).add(...at(10, 40, 70));
    node(cluster, 2).add(...at(20, 50, 80));
    assert.deepEqual(await cluster.ask({ number: 3n }), [
      "NODE_CONNECTED node-1,node-2,node-3",
      "node-2:2",
      "node-1:3",
      "node-2:3",
    ]);
    assert.equal((await cluster.ask({ number: 100n })).length, 7);
  });

  test("the first N, all, and those of a time are merged in order", async () => {
    await using cluster = await TestCluster.start(3);
    node(cluster, 1).add(...at(10, 40, 70));
    node(cluster, 2).add(...at(20, 50, 80));
    node(cluster, 3).add(...at(60));
    const flows = async (request: Parameters<typeof cluster.ask>[0]) =>
      (await cluster.ask(request)).slice(1).join(" ");
    assert.equal(await flows({ number: 3n, first: true }), "node-1:1 node-2:1 node-1:2");
    assert.equal(await flows({}), "node-1:1 node-2:1 node-1:2 node-2:2 node-3:1 node-1:3 node-2:3");
    const [since, until] = at(40, 60).map(timestampFromNs);
    assert.equal(
      await flows({ ...(since ? { since } : {}), ...(until ? { until } : {}) }),
      "node-1:2 node-2:2 node-3:1",
    );
    assert.equal(await flows({ number: 2n, ...(since ? { since } : {}) }), "node-1:2 node-2:2");
  });

  test("losses are told in their place", async () => {
    await using cluster = await TestCluster.start(2);
    node(cluster, 1).add(...at(10, 20));
    const [, lastNs = 0n] = at(0, 20);
    node(cluster, 1).observer.lost({
      source: LostEventSource.perfEventRingBuffer,
      count: 7,
      cpu: 0,
      firstNs: lastNs,
      lastNs,
    });
    node(cluster, 2).add(...at(15, 30));
    const expected = ["node-1:1", "node-2:1", "node-1:2", "lost 7 on node-1", "node-2:2"];
    assert.deepEqual((await cluster.ask({})).slice(1), expected);
    assert.deepEqual((await cluster.ask({ number: 2n })).slice(1), expected.slice(2));
  });

  test("who follows gets the last N of all and then what happens, each flow once", async () => {
    await using cluster = await TestCluster.start(3);
    const begin = nowNs();
    node(cluster, 1).add(begin, begin + 3n);
    node(cluster, 2).add(begin + 1n, begin + 2n);
    await using following = cluster.follow({ number: 2n });
    await following.has("node-1:2");
    await sleep(50);
    for (const peer of cluster.nodes) peer.add(nowNs());
    await following.has("node-1:3");
    await following.has("node-2:3");
    await following.has("node-3:1");
    assert.deepEqual(following.lines.slice(0, 3), [
      "NODE_CONNECTED node-1,node-2,node-3",
      "node-2:2",
      "node-1:2",
    ]);
    assert.deepEqual(following.flows.slice(2).toSorted(), ["node-1:3", "node-2:3", "node-3:1"]);
  });

  test("who follows without a number gets only what happens; with since, from there on", async () => {
    await using cluster = await TestCluster.start(2);
    const begin = nowNs();
    node(cluster, 1).add(begin, begin + second);
    await using onlyNew = cluster.follow({});
    await using sinceThen = cluster.follow({ since: timestampFromNs(begin + second) });
    await onlyNew.has(/NODE_CONNECTED/);
    await sinceThen.has("node-1:2");
    await sleep(50);
    node(cluster, 2).add(begin + 2n * second);
    await onlyNew.has("node-2:1");
    await sinceThen.has("node-2:1");
    assert.deepEqual(onlyNew.flows, ["node-2:1"]);
    assert.deepEqual(sinceThen.flows, ["node-1:2", "node-2:1"]);
  });

  test("a node that joins is followed, one that leaves is told of", async () => {
    await using cluster = await TestCluster.start(2);
    await using following = cluster.follow({});
    await following.has("NODE_CONNECTED node-1,node-2");
    const third = await cluster.addNode("node-3");
    await following.has("NODE_CONNECTED node-3");
    third.add(nowNs());
    await following.has("node-3:1");
    cluster.removeAddress("node-2");
    await following.has("NODE_GONE node-2");
    node(cluster, 1).add(nowNs());
    await following.has("node-1:1");
  });

  test("a node that dies is told of, comes back into the stream, and no flow is missing or there twice", async () => {
    await using cluster = await TestCluster.start(2);
    await using following = cluster.follow({});
    await following.has(/NODE_CONNECTED/);
    await sleep(50);
    const second = node(cluster, 2);
    const begin = nowNs();
    second.add(begin, begin + 1n, begin + 1n);
    await following.has("node-2:3");
    await second.stop();
    await following.has(/^NODE_UNAVAILABLE node-2: /);
    // While it is away others go on, and what it sees meanwhile is not lost.
    node(cluster, 1).add(nowNs());
    await following.has("node-1:1");
    second.add(begin + 1n, nowNs());
    await second.start();
    await following.has("NODE_CONNECTED node-2");
    await following.has("node-2:5");
    second.add(nowNs());
    await following.has("node-2:6");
    const own = following.flows.filter((uuid) => uuid.startsWith("node-2"));
    assert.deepEqual(
      own.toSorted(),
      [1, 2, 3, 4, 5, 6].map((each) => `node-2:${each}`),
    );
  });

  test("a node that is away is named, and the others answer", async () => {
    await using cluster = await TestCluster.start(3);
    for (const peer of cluster.nodes) peer.add(...at(10));
    await node(cluster, 3).stop();
    await cluster.connected(2);
    const lines = await cluster.ask({ number: 10n });
    assert.match(lines[1] ?? "", /^NODE_UNAVAILABLE node-3/);
    assert.deepEqual(lines.slice(2).toSorted(), ["node-1:1", "node-2:1"]);
  });

  /** A server that does to its connections what it is told. */
  async function rogue(cluster: TestCluster, serve: (socket: import("node:net").Socket) => void) {
    const path = join(cluster.folder, "rogue.sock");
    const sockets = new Set<import("node:net").Socket>();
    const server: Server = createServer((socket) => {
      sockets.add(socket);
      socket.on("error", () => undefined);
      serve(socket);
    });
    await new Promise<void>((resolve) => server.listen(path, resolve));
    cluster.addAddress("rogue", `unix://${path}`);
    return {
      [Symbol.asyncDispose]: async () => {
        for (const socket of sockets) socket.destroy();
        await new Promise((resolve) => server.close(resolve));
      },
    };
  }

  for (const [name, serve] of [
    ["accepts and never answers", () => undefined],
    ["sends garbage", (socket) => socket.write(Buffer.alloc(1000, 0xa5))],
    ["hangs up", (socket) => socket.destroy()],
  ] as const satisfies readonly (readonly [string, (socket: import("node:net").Socket) => void])[])
    test(`a peer that ${name} holds nobody up`, async () => {
      await using cluster = await TestCluster.start(2);
      await using _ = await rogue(cluster, serve);
      await using following = cluster.follow({});
      await following.has("NODE_CONNECTED node-1,node-2");
      await sleep(100);
      const begunMs = performance.now();
      node(cluster, 1).add(nowNs());
      node(cluster, 2).add(nowNs());
      await following.has("node-1:1");
      await following.has("node-2:1");
      assert.ok(performance.now() - begunMs < 3000, `${performance.now() - begunMs} ms`);
      await following.has(/^NODE_UNAVAILABLE rogue/);
      await until("its failure", () => cluster.relay.pool.count("failed") === 1);
      const askedMs = performance.now();
      assert.deepEqual((await cluster.ask({ number: 1n })).slice(2), ["node-2:1"]);
      assert.ok(performance.now() - askedMs < 3000);
      const status = await cluster.observer.serverStatus({});
      assert.deepEqual(
        [status.numConnectedNodes, status.numUnavailableNodes, status.unavailableNodes],
        [2, 1, ["rogue"]],
      );
    });

  test("a peer that stops to answer in the midst of a query costs a drain timeout", async () => {
    await using cluster = await TestCluster.start(2);
    // Alive when asked for its status, and then never again: a process that is stopped.
    let stopped = false;
    const real = node(cluster, 2);
    await using proxy = await rogue(cluster, (socket) => {
      const behind = createProxy(real.address, socket, () => stopped);
      socket.on("close", () => behind.destroy());
    });
    assert.ok(proxy);
    await cluster.connected(3);
    node(cluster, 1).add(...at(10, 20));
    stopped = true;
    const begunMs = performance.now();
    const lines = await cluster.ask({ number: 5n });
    assert.ok(performance.now() - begunMs < 3000, `${performance.now() - begunMs} ms`);
    assert.ok(lines.includes("NODE_UNAVAILABLE rogue: it does not answer"), lines.join(" | "));
    assert.deepEqual(lines.slice(-2), ["node-1:1", "node-1:2"]);
  });

  function createProxy(
    address: string,
    socket: import("node:net").Socket,
    isStopped: () => boolean,
  ) {
    const behind = process.getBuiltinModule("node:net").connect(address.replace("unix://", ""));
    behind.on("error", () => undefined);
    socket.on("data", (data) => void (isStopped() || behind.write(data)));
    behind.on("data", (data) => void (isStopped() || socket.write(data)));
    return behind;
  }

  test("a peer whose messages are none is in error, again and again, and the stream goes on", async () => {
    await using cluster = await TestCluster.start(1);
    const { serveGrpc, stream } = await import("../grpc/index.ts");
    const { Observer } = await import("../gen/observer/observer_pb.ts");
    const path = join(cluster.folder, "liar.sock");
    await using liar = await serveGrpc({
      sockets: [{ unix: path }],
      routes: (router) => router.service(Observer, { serverStatus: () => ({}) }),
      streams: [
        stream(Observer.method.getFlows, async (_, out) => {
          await out.write(new Uint8Array([0x0a, 0xff, 0xff, 0xff]));
          await new Promise((_, reject) =>
            out.signal.addEventListener("abort", () => reject(out.signal.reason as Error)),
          );
        }),
      ],
    });
    assert.ok(liar);
    cluster.addAddress("liar", `unix://${path}`);
    await cluster.connected(2);
    await using following = cluster.follow({});
    await following.has(/^NODE_ERROR liar: what it sent is no GetFlowsResponse/);
    node(cluster, 1).add(nowNs());
    await following.has("node-1:1");
    await sleep(1000);
    assert.ok(
      following.lines.filter((line) => line.includes("liar")).length <= 2,
      following.lines.join(" | "),
    );
  });

  test("what is wrong with a request is the client's error", async () => {
    await using cluster = await TestCluster.start(2);
    const failure = async (request: Parameters<typeof cluster.ask>[0]) => {
      const error = await cluster.ask(request).then(
        () => assert.fail("no error"),
        (cause: unknown) => ConnectError.from(cause),
      );
      return `${Code[error.code]} ${error.rawMessage}`;
    };
    for (const follow of [true, false])
      assert.match(
        await failure({ follow, whitelist: [{ sourceIp: ["nonsense"] }] }),
        /^InvalidArgument node-[12]: .*nonsense/,
      );
    assert.match(await failure({ first: true, follow: true }), /^InvalidArgument first/);
    assert.match(await failure({ number: 2_000_000n }), /^InvalidArgument the newest 2000000/);
    assert.match(
      await failure({ fieldMask: { paths: ["nothing"] } }),
      /^InvalidArgument node-[12]: /,
    );
  });

  test("the newest flows of all clients hold so much of relay's memory, and no more", async () => {
    await using cluster = await TestCluster.start(2, { maxHeldBytes: 4000 });
    for (const peer of cluster.nodes)
      peer.add(...Array.from({ length: 100 }, (_, index) => at(index)[0] as bigint));
    await assert.rejects(cluster.ask({ number: 100n }), { code: Code.ResourceExhausted });
    // What it held is free again, and few flows of many are never too much.
    for (let turn = 0; turn < 5; turn++)
      assert.equal((await cluster.ask({ number: 5n })).filter((line) => /:/.test(line)).length, 5);
  });

  test("filters and field masks reach the peers", async () => {
    await using cluster = await TestCluster.start(2);
    for (const peer of cluster.nodes) peer.add(...at(10));
    const request = { whitelist: [{ sourcePod: ["node-2/"] }], fieldMask: { paths: ["uuid"] } };
    const found = [];
    for await (const response of cluster.responses(request, new AbortController().signal))
      if ("flow" in response)
        found.push([response.nodeName, response.flow.uuid, response.flow.source.podName]);
    assert.deepEqual(found, [["node-2", "node-2:1", ""]]);
  });

  test("while the peer service is away peers stay known, and the next one is asked", async () => {
    await using cluster = await TestCluster.start(3);
    await node(cluster, 1).stop();
    await cluster.connected(2);
    await until("the other service", () => cluster.relay.pool.serviceConnected);
    await cluster.addNode("node-4");
    await cluster.connected(3);
    await node(cluster, 2).stop();
    await until("no service", () => !cluster.relay.pool.serviceConnected);
    await cluster.connected(2);
    assert.equal(cluster.relay.pool.peers.length, 4);
    node(cluster, 3).add(...at(1));
    assert.ok((await cluster.ask({})).includes("node-3:1"));
    await node(cluster, 1).start();
    await until("the service again", () => cluster.relay.pool.serviceConnected);
  });

  test("peers that a new service does not tell of are gone after a while", async () => {
    await using cluster = await TestCluster.start(2, { settleMs: 300 });
    cluster.addAddress("node-9", `unix://${cluster.folder}/nobody.sock`);
    await until("the third peer", () => cluster.relay.pool.peers.length === 3);
    // The service dies, and its successor has never heard of node-9.
    await Promise.all([node(cluster, 1).stop(), node(cluster, 2).stop()]);
    cluster.removeAddress("node-9");
    await Promise.all([node(cluster, 1).start(), node(cluster, 2).start()]);
    await until("two peers", () => cluster.relay.pool.peers.length === 2);
  });

  test("status, nodes and namespaces are those of all", async () => {
    await using cluster = await TestCluster.start(2);
    node(cluster, 1).add(nowNs());
    node(cluster, 2).add(nowNs(), nowNs());
    cluster.addAddress("node-3", `unix://${cluster.folder}/nobody.sock`);
    cluster.addAddress("node-4", "no address at all");
    await until(
      "all of them",
      () => cluster.relay.pool.count("failed") === 1 && cluster.relay.pool.unusable.length === 1,
    );
    const status = await cluster.observer.serverStatus({});
    assert.deepEqual(
      [
        status.version,
        status.numFlows,
        status.seenFlows,
        status.maxFlows,
        status.numConnectedNodes,
        status.numUnavailableNodes,
      ],
      ["relay-test", 3n, 3n, 8190n, 2, 2],
    );
    assert.deepEqual(status.unavailableNodes, ["node-3", "node-4"]);
    assert.ok(status.uptimeNs > 0n);
    const { nodes } = await cluster.observer.getNodes({});
    assert.deepEqual(
      nodes.map(({ name, state, numFlows, version }) => [name, state, numFlows, version]),
      [
        ["node-1", 1, 1n, "test"],
        ["node-2", 1, 2n, "test"],
        ["node-3", 2, 0n, ""],
        ["node-4", 4, 0n, ""],
      ],
    );
    const { namespaces } = await cluster.observer.getNamespaces({});
    assert.deepEqual(
      namespaces.map(({ namespace }) => namespace),
      ["node-1", "node-2"],
    );
    const events = cluster.observer.getAgentEvents({});
    await assert.rejects(
      async () => {
        for await (const event of events) assert.fail(String(event));
      },
      (error: ConnectError) => error.code === Code.Unimplemented,
    );
  });

  test("relay serves when any peer is connected, and says how its peers are", async () => {
    await using cluster = await TestCluster.start(2);
    const check = async () =>
      (await createClient(Health, cluster.client.transport).check({})).status;
    assert.equal(await check(), 1);
    const metric = async (name: string) =>
      (await cluster.relay.metrics.page()).body.split("\n").filter((line) => line.startsWith(name));
    assert.ok(
      (await metric("hubble_relay_pool_peer")).includes(
        'hubble_relay_pool_peer_connection_status{status="READY"} 2',
      ),
    );
    assert.deepEqual(
      cluster.relay.health().map(({ state }) => state),
      ["ok", "ok"],
    );
    await node(cluster, 1).stop();
    await cluster.connected(1);
    assert.equal(await check(), 1);
    await node(cluster, 2).stop();
    await cluster.connected(0);
    assert.equal(await check(), 2);
    assert.equal(cluster.relay.health()[1]?.state, "failed");
    assert.ok(
      (await metric("hubble_relay_pool_peer")).includes(
        'hubble_relay_pool_peer_connection_status{status="TRANSIENT_FAILURE"} 2',
      ),
    );
  });

  test("relay that stops ends its clients' streams with UNAVAILABLE", async () => {
    await using cluster = await TestCluster.start(1);
    const own = connectTo(`unix://${join(cluster.folder, "relay.sock")}`);
    await using following = cluster.follow({});
    await following.has(/NODE_CONNECTED/);
    own.close();
    await cluster.relay.server.close();
    await until("the end", () => following.error !== undefined);
    assert.equal(ConnectError.from(following.error).code, Code.Unavailable);
  });
});

test("a live stream of nodes that talk at once is in order", async () => {
  await using cluster = await TestCluster.start(4, { sortBufferDrainTimeoutMs: 2000 });
  await using following = cluster.follow({});
  await following.has(/NODE_CONNECTED/);
  await sleep(50);
  for (let round = 0; round < 40; round++) {
    for (const peer of cluster.nodes) peer.add(nowNs(), nowNs());
    await sleep(5);
  }
  await until("all flows", () => following.flows.length === 320);
  const times = following.responses.flatMap((each) => ("flow" in each ? [each.timeNs] : []));
  // At first nobody is known to be busy, and waited for as such.
  const settled = times.slice(80);
  assert.ok(settled.every((time, i) => i === 0 || (settled[i - 1] as bigint) <= time));
});

test("a client that does not read holds up nobody else, and relay holds no more than its buffer", async () => {
  await using cluster = await TestCluster.start(2, { sortBufferLenMax: 500 });
  const lazy = cluster.responses({ follow: true }, new AbortController().signal);
  await lazy.next();
  await using following = cluster.follow({});
  await following.has(/NODE_CONNECTED/);
  await sleep(50);
  const before = process.memoryUsage().rss;
  for (let round = 0; round < 100; round++) {
    for (const peer of cluster.nodes) peer.add(...Array.from({ length: 300 }, nowNs));
    await sleep(2);
  }
  await until("all flows", () => following.flows.length === 60_000);
  assert.ok(process.memoryUsage().rss - before < 400e6);
  await lazy.return(undefined);
});
