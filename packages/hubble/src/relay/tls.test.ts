import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createLog } from "@tsilium/runtime";
import { testAuthority } from "@tsilium/testkit/certificates.ts";
import { Observer } from "../gen/observer/observer_pb.ts";
import { Code, ConnectError, connectTo, createClient } from "../grpc/index.ts";
import { hubbleServerName, HubblePeers } from "../observer/index.ts";
import { startRelay } from "./relay.ts";
import { until } from "./testing/cluster.ts";
import { TestPeer } from "./testing/test-peer.ts";

test("nodes are known by the names in their certificates, clients by theirs", async () => {
  const folder = mkdtempSync(join(tmpdir(), "tsilium-relay-tls-"));
  await using stack = new AsyncDisposableStack();
  stack.defer(() => rmSync(folder, { recursive: true }));
  const [ours, others] = [await testAuthority("ours"), await testAuthority("others")];
  const files = (name: string, names: string[], authority = ours) =>
    authority.issueFiles(join(folder, name), names);
  const peers = new HubblePeers();
  const known: { name: string; address: string; tlsServerName: string | undefined }[] = [];
  const addNode = async (name: string, certificateName: string | undefined, authority = ours) => {
    const tls =
      certificateName === undefined ? {} : { tls: await files(name, [certificateName], authority) };
    const peer = new TestPeer({ name, peers, socket: { host: "127.0.0.1", port: 0, ...tls } });
    await peer.start();
    stack.defer(() => peer.stop());
    const tlsServerName =
      certificateName === undefined ? undefined : hubbleServerName(name, "east");
    known.push({ name, address: peer.address, tlsServerName });
    peers.set(known);
    return peer;
  };
  const first = await addNode("node.1", "node-1.east.hubble-grpc.cilium.io");
  await addNode("node-2", "*.east.hubble-grpc.cilium.io");
  await addNode("wrong-name", "node-1.east.hubble-grpc.cilium.io");
  await addNode("wrong-authority", "*.east.hubble-grpc.cilium.io", others);
  await addNode("plain", undefined);
  const service = await addNode("node-3", "*.east.hubble-grpc.cilium.io");

  const relayTls = await files("relay", ["*.hubble-relay.cilium.io"]);
  const relay = await startRelay({
    // The service's name is hubble-peer's.
    peerServices: [first.address, service.address],
    tls: { ...relayTls, caFile: [relayTls.caFile] },
    clusterName: "east",
    dialTimeoutMs: 2000,
    retryTimeoutMs: 500,
    sockets: [{ host: "127.0.0.1", port: 0, tls: relayTls }],
    nodeName: "relay",
    version: "test",
    sortBufferLenMax: 100,
    sortBufferDrainTimeoutMs: 500,
    log: createLog({ level: "silent" }),
  });
  stack.use(relay);
  await until(
    "three of six",
    () => relay.pool.count("ready") === 3 && relay.pool.count("failed") === 2,
  );
  const state = Object.fromEntries(relay.pool.peers.map((peer) => [peer.name, peer.state]));
  assert.deepEqual(state, {
    "node-2": "ready",
    "node-3": "ready",
    "node.1": "ready",
    "wrong-authority": "failed",
    "wrong-name": "failed",
  });
  assert.deepEqual(
    relay.pool.unusable.map(({ about, error }) => [about.name, error]),
    [["plain", "the peer offers no TLS, and relay has certificates"]],
  );

  const [address] = relay.server.addresses;
  assert.ok(address && "port" in address);
  const ask = async (tls: Parameters<typeof connectTo>[1]) => {
    using client = connectTo(`127.0.0.1:${address.port}`, tls);
    return (await createClient(Observer, client.transport).getNodes({}, { timeoutMs: 3000 })).nodes;
  };
  const serverName = "ui.hubble-relay.cilium.io";
  const { caFile } = relayTls;
  const nodes = await ask({ tls: { ...(await files("client", ["client"])), caFile, serverName } });
  assert.deepEqual(
    nodes.map(({ name, tls }) => [name, tls?.enabled, tls?.serverName]).slice(0, 3),
    [
      ["node-2", true, "node-2.east.hubble-grpc.cilium.io"],
      ["node-3", true, "node-3.east.hubble-grpc.cilium.io"],
      ["node.1", true, "node-1.east.hubble-grpc.cilium.io"],
    ],
  );
  const strangers = await files("stranger", ["client"], others);
  for (const tls of [
    { tls: { caFile, serverName } },
    { tls: { ...strangers, caFile, serverName } },
    { tls: { ...(await files("client", ["client"])), caFile, serverName: "hubble-relay.example" } },
    {},
  ])
    await assert.rejects(ask(tls), (error: ConnectError) => error.code !== Code.Internal);
});
