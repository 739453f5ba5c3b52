// The services over gRPC on a unix socket, by connect's client and by hand: what clients of Cilium's API see.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { decodeFlowsResponse } from "../codec/index.ts";
import {
  GetFlowsRequestSchema,
  type GetFlowsResponse,
  Observer as ObserverService,
} from "../gen/observer/observer_pb.ts";
import { Peer as PeerService } from "../gen/peer/peer_pb.ts";
import { connectTo, createClient, serveGrpc } from "../grpc/index.ts";
import { emptyFlow, type Flow } from "../model.ts";
import { Observer } from "./observer.ts";
import { HubblePeers } from "./peers.ts";
import { observerRoutes, peerRoutes } from "./routes.ts";

const server = { version: "tsilium v0", address: "10.0.0.1:4244", tlsServerName: "n.default.x" };

const web = {
  ...emptyFlow.source,
  namespace: "prod",
  podName: "web-1",
  clusterName: "default",
  labels: ["k8s:app=web"],
};

const flowOf = (sequence: number, fields: Partial<Flow> = {}): Flow => ({
  ...emptyFlow,
  sequence,
  timeNs: 1_700_000_000_000_000_000n + BigInt(sequence),
  verdict: 1,
  nodeName: "node-1",
  uuid: `u${sequence}`,
  ...fields,
});

/** A node's server on a socket of its own, with four flows and a loss before the last, and a client of it. */
async function serve() {
  await using cleanup = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), "tsilium-routes-"));
  cleanup.defer(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "hubble.sock");
  const observer = new Observer({ nodeName: "node-1", capacity: 255, followerCapacity: 64 });
  const peers = new HubblePeers();
  const services = [observerRoutes(observer, server), peerRoutes(peers)];
  const grpc = await serveGrpc({
    routes: (router) => {
      for (const { routes } of services) routes(router);
    },
    streams: services.flatMap(({ streams }) => streams),
    sockets: [{ unix: path }],
  });
  cleanup.defer(() => grpc.close({ graceMs: 0 }));
  const client = connectTo(`unix://${path}`);
  cleanup.defer(() => client.close());
  observer.add([
    flowOf(1, { verdict: 2, source: web }),
    flowOf(2, { destination: web }),
    flowOf(3),
  ]);
  observer.lost({ source: 1, count: 4, cpu: 1, firstNs: 5n, lastNs: 1_700_000_000_000_000_003n });
  observer.add([flowOf(4)]);
  const service = createClient(ObserverService, client.transport);
  const getFlows = async (request: MessageInitShape<typeof GetFlowsRequestSchema>) => {
    const responses: GetFlowsResponse[] = [];
    for await (const response of service.getFlows(request)) responses.push(response);
    return responses;
  };
  const all = cleanup.move();
  return {
    observer,
    peers,
    client,
    service,
    getFlows,
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

async function until(holds: () => boolean): Promise<void> {
  for (let turn = 0; !holds(); turn++) {
    assert.ok(turn < 5_000, "it did not come");
    await sleep(1);
  }
}

const summary = ({ responseTypes: { case: kind, value } }: GetFlowsResponse) =>
  kind === "flow" ? value.uuid : kind === "lostEvents" ? `lost ${value.numEventsLost}` : kind;

test("GetFlows: flows with node and time, losses between them", async () => {
  await using hubble = await serve();
  const { getFlows } = hubble;
  const responses = await getFlows({ number: 10n });
  assert.deepEqual(responses.map(summary), ["u1", "u2", "u3", "lost 4", "u4"]);
  const [first, , , lost] = responses;
  assert.equal(first?.nodeName, "node-1");
  assert.deepEqual([first?.time?.seconds, first?.time?.nanos], [1_700_000_000n, 1]);
  assert.equal(
    first?.responseTypes.case === "flow" && first.responseTypes.value.source?.podName,
    "web-1",
  );
  assert.equal(lost?.nodeName, "node-1");
  assert.equal(lost?.responseTypes.case === "lostEvents" && lost.responseTypes.value.cpu, 1);
  assert.equal(lost?.time?.nanos, 3);
});

test("GetFlows: filters, first, since and the field mask", async () => {
  await using hubble = await serve();
  const { getFlows } = hubble;
  const uuids = async (request: MessageInitShape<typeof GetFlowsRequestSchema>) =>
    (await getFlows(request)).map(summary).join(" ");
  assert.equal(await uuids({ first: true, number: 1n }), "u1");
  assert.equal(
    await uuids({
      number: 1n,
      whitelist: [{ sourcePod: ["prod/"] }, { destinationPod: ["prod/"] }],
    }),
    "u2 lost 4",
  );
  assert.equal(await uuids({ first: true, number: 2n, blacklist: [{ verdict: [2] }] }), "u2 u3");
  assert.equal(await uuids({ since: { seconds: 1_700_000_000n, nanos: 4 } }), "u4");
  const [masked] = await getFlows({
    first: true,
    number: 1n,
    fieldMask: { paths: ["source.pod_name", "verdict"] },
  });
  const flow = masked?.responseTypes.value;
  assert.ok(flow?.$typeName === "flow.Flow");
  assert.deepEqual(
    [flow.source?.podName, flow.source?.namespace, flow.verdict, flow.uuid],
    ["web-1", "", 2, ""],
  );
});

test("what is wrong with a request is INVALID_ARGUMENT, and said once", async () => {
  await using hubble = await serve();
  const { getFlows } = hubble;
  const rows: [MessageInitShape<typeof GetFlowsRequestSchema>, string | RegExp][] = [
    [{ first: true, follow: true }, "first cannot be specified with follow"],
    [
      { whitelist: [{}, { sourceIp: ["x"] }] },
      'invalid filter whitelist[1].source_ip "x": not an IP address',
    ],
    [
      { blacklist: [{ httpPath: ["("] }] },
      'invalid filter blacklist[0].http_path "(": not a regular expression (RE2): missing closing ): `(`',
    ],
    [{ since: { seconds: 10n ** 15n } }, /^invalid since: .*1000000000000000/],
    [{ fieldMask: { paths: ["source.nope"] } }, 'flow.Flow has no field "source.nope"'],
  ];
  for (const [request, message] of rows) {
    await assert.rejects(
      getFlows(request),
      (error: Error & { code: number; rawMessage: string }) => {
        assert.equal(error.code, 3, error.message);
        if (typeof message === "string") assert.equal(error.rawMessage, message);
        else assert.match(error.rawMessage, message);
        return true;
      },
    );
  }
});

test("GetFlows follows until its client leaves", async () => {
  await using hubble = await serve();
  const { observer, service } = hubble;
  const abort = new AbortController();
  const seen: string[] = [];
  const done = (async () => {
    for await (const response of service.getFlows(
      { follow: true, number: 1n },
      { signal: abort.signal },
    )) {
      seen.push(String(summary(response)));
      if (seen.length === 4) break;
    }
  })();
  await until(() => observer.status().followers > 0);
  observer.add([flowOf(5), flowOf(6)]);
  observer.lost({ source: 2, count: 9, cpu: undefined, firstNs: 0n, lastNs: 0n });
  await done;
  assert.deepEqual(seen, ["u4", "u5", "u6", "lost 9"]);
  // Connect's clients do not leave by leaving the loop.
  abort.abort();
  await until(() => observer.status().followers === 0);
});

test("a client that does not read is told exactly what it lost, once it reads", async () => {
  await using hubble = await serve();
  const { observer, client } = hubble;
  const abort = new AbortController();
  const request = toBinary(GetFlowsRequestSchema, create(GetFlowsRequestSchema, { follow: true }));
  const stream = client
    .streamRaw("/observer.Observer/GetFlows", request, abort.signal)
    [Symbol.asyncIterator]();
  const first = stream.next();
  await until(() => observer.status().followers > 0);
  const total = 40_000;
  for (let sent = 0; sent < total; sent += 500) {
    const flowAt = (_: unknown, index: number) =>
      flowOf(5 + sent + index, { source: web, summary: "x".repeat(500) });
    observer.add(Array.from({ length: 500 }, flowAt));
    await sleep(0);
  }
  let flows = 0;
  let lost = 0;
  for (let next: Promise<IteratorResult<Uint8Array>> = first; flows + lost < total;) {
    const response = decodeFlowsResponse((await next).value);
    assert.ok(response);
    if ("flow" in response) flows++;
    else if ("lost" in response) {
      assert.equal(response.lost.source, 3);
      lost += response.lost.count;
    }
    if (flows + lost < total) next = stream.next();
  }
  assert.equal(flows + lost, total);
  assert.ok(lost > 0, "it was never slow");
  abort.abort();
  await stream.next().catch(() => undefined);
  await until(() => observer.status().followers === 0);
});

test("ServerStatus, GetNodes and GetNamespaces", async () => {
  await using hubble = await serve();
  const { observer, service } = hubble;
  observer.add(Array.from({ length: 300 }, (_, index) => flowOf(5 + index)));
  const status = await service.serverStatus({});
  assert.equal(status.maxFlows, 255n);
  assert.equal(status.numFlows, 255n);
  assert.equal(status.seenFlows, 304n);
  assert.equal(status.version, "tsilium v0");
  assert.ok(status.uptimeNs > 0n && status.flowsRate > 0);
  assert.equal(status.numConnectedNodes, undefined);
  const { nodes } = await service.getNodes({});
  assert.deepEqual(
    nodes.map(({ name, version, address, state, tls }) => [
      name,
      version,
      address,
      state,
      tls?.enabled,
      tls?.serverName,
    ]),
    [["node-1", "tsilium v0", "10.0.0.1:4244", 1, true, "n.default.x"]],
  );
  const { namespaces } = await service.getNamespaces({});
  assert.deepEqual(
    namespaces.map(({ cluster, namespace }) => [cluster, namespace]),
    [["default", "prod"]],
  );
});

test("GetAgentEvents, and GetDebugEvents, which are not recorded", async () => {
  await using hubble = await serve();
  const { observer, service } = hubble;
  observer.addAgentEvent({ timeNs: 5n, type: 2, notification: { kind: "agentStart" } });
  const events = [];
  for await (const response of service.getAgentEvents({ number: 5n })) events.push(response);
  assert.deepEqual(
    events.map(({ nodeName, agentEvent }) => [
      nodeName,
      agentEvent?.type,
      agentEvent?.notification.case,
    ]),
    [["node-1", 2, "agentStart"]],
  );
  await assert.rejects(
    async () => {
      for await (const _ of service.getDebugEvents({}));
    },
    { code: 12, rawMessage: "debug events are not recorded" },
  );
});

test("Peer.Notify tells the peers and their changes", async () => {
  await using hubble = await serve();
  const { peers, client } = hubble;
  peers.set([{ name: "node-1", address: "10.0.0.1:4244", tlsServerName: "n1" }]);
  const seen: unknown[] = [];
  const { notify } = createClient(PeerService, client.transport);
  const abort = new AbortController();
  const changes = notify({}, { signal: abort.signal });
  for await (const { name, address, type, tls } of changes) {
    seen.push([name, address, type, tls?.serverName]);
    if (seen.length === 1)
      peers.set([{ name: "node-1", address: "10.0.0.9:4244", tlsServerName: undefined }]);
    if (seen.length === 2) peers.set([]);
    if (seen.length === 3) break;
  }
  abort.abort();
  assert.deepEqual(seen, [
    ["node-1", "10.0.0.1:4244", 1, "n1"],
    ["node-1", "10.0.0.9:4244", 3, undefined],
    ["node-1", "10.0.0.9:4244", 2, undefined],
  ]);
});
