// The rest of Observer for a cluster: what all nodes that answer say, put together.
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter, createClient } from "../grpc/index.ts";
import {
  type GetNamespacesResponse,
  GetNamespacesResponseSchema,
  type Namespace,
  type Node,
  NodeSchema,
  Observer,
  type ServerStatusResponse,
  ServerStatusResponseSchema,
  TLSSchema,
} from "../gen/observer/observer_pb.ts";
import { NodeState } from "./node-events.ts";
import type { Peer } from "./peer.ts";
import type { PeerPool, UnusablePeer } from "./pool.ts";

export type ObserverOptions = {
  readonly pool: PeerPool;
  readonly version: string;
  /** For a node's answer. */
  readonly timeoutMs: number;
};

/** As many as Cilium's relay names. */
const mostNamed = 10;
/** A relay that has just started has not connected to anybody yet. */
const patienceMs = 500;

/** GetFlows is not among them: it has a route of its own. */
export function observerRoutes(router: ConnectRouter, options: ObserverOptions): void {
  const { pool } = options;
  const settled = () => pool.settled(patienceMs, new AbortController().signal);
  router.service(Observer, {
    serverStatus: async () => (await settled(), await serverStatus(options)),
    getNodes: async () => (await settled(), { nodes: await nodes(options) }),
    getNamespaces: async () => (await settled(), await namespaces(options)),
    getAgentEvents() {
      throw new ConnectError("agent events are to be had from each node", Code.Unimplemented);
    },
    getDebugEvents() {
      throw new ConnectError("debug events are to be had from each node", Code.Unimplemented);
    },
  });
}

type Ask<T> = (client: ReturnType<typeof clientOf>, options: { timeoutMs: number }) => Promise<T>;

/** undefined: no answer. */
async function ask<T>(peer: Peer, timeoutMs: number, what: Ask<T>): Promise<T | undefined> {
  if (peer.state !== "ready") return undefined;
  try {
    return await what(clientOf(peer), { timeoutMs });
  } catch (error) {
    const { code, rawMessage } = ConnectError.from(error);
    if (code === Code.Unavailable || code === Code.DeadlineExceeded) peer.suspect(rawMessage);
    return undefined;
  }
}

const clientOf = (peer: Peer) => createClient(Observer, peer.client.transport);

async function serverStatus({
  pool,
  version,
  timeoutMs,
}: ObserverOptions): Promise<ServerStatusResponse> {
  const { peers, unusable } = pool;
  const answers = await Promise.all(
    peers.map((peer) =>
      ask(peer, timeoutMs, (client, options) => client.serverStatus({}, options)),
    ),
  );
  const unavailable = [
    ...peers.filter((_, index) => answers[index] === undefined).map(({ name }) => name),
    ...unusable.map(({ about }) => about.name),
  ].toSorted();
  const sum = create(ServerStatusResponseSchema, {
    version,
    numConnectedNodes: peers.length + unusable.length - unavailable.length,
    numUnavailableNodes: unavailable.length,
    unavailableNodes: unavailable.slice(0, mostNamed),
  });
  for (const answer of answers) {
    if (!answer) continue;
    sum.numFlows += answer.numFlows;
    sum.maxFlows += answer.maxFlows;
    sum.seenFlows += answer.seenFlows;
    sum.flowsRate += answer.flowsRate;
    if (answer.uptimeNs > sum.uptimeNs) sum.uptimeNs = answer.uptimeNs;
  }
  return sum;
}

async function nodes({ pool, timeoutMs }: ObserverOptions): Promise<Node[]> {
  const found = await Promise.all(pool.peers.map((peer) => nodeOf(peer, timeoutMs)));
  return [...found, ...pool.unusable.map(unusableNode)].toSorted((a, b) =>
    a.name < b.name ? -1 : 1,
  );
}

async function nodeOf(peer: Peer, timeoutMs: number): Promise<Node> {
  const { name, address, serverName } = peer.about;
  const wasReady = peer.state === "ready";
  const status = await ask(peer, timeoutMs, (client, options) => client.serverStatus({}, options));
  const failed = wasReady ? NodeState.NODE_ERROR : NodeState.NODE_UNAVAILABLE;
  return create(NodeSchema, {
    name,
    address,
    state: status ? NodeState.NODE_CONNECTED : failed,
    tls: create(TLSSchema, { enabled: peer.isSecure, serverName: serverName ?? "" }),
    version: status?.version ?? "",
    uptimeNs: status?.uptimeNs ?? 0n,
    numFlows: status?.numFlows ?? 0n,
    maxFlows: status?.maxFlows ?? 0n,
    seenFlows: status?.seenFlows ?? 0n,
  });
}

function unusableNode({ about }: UnusablePeer): Node {
  const { name, address, serverName } = about;
  const tls = create(TLSSchema, { enabled: false, serverName: serverName ?? "" });
  return create(NodeSchema, { name, address, state: NodeState.NODE_ERROR, tls });
}

async function namespaces({ pool, timeoutMs }: ObserverOptions): Promise<GetNamespacesResponse> {
  const answers = await Promise.all(
    pool.peers.map((peer) =>
      ask(peer, timeoutMs, (client, options) => client.getNamespaces({}, options)),
    ),
  );
  const found = new Map<string, Namespace>();
  for (const namespace of answers.flatMap((answer) => answer?.namespaces ?? []))
    found.set(`${namespace.cluster}/${namespace.namespace}`, namespace);
  const sorted = [...found].toSorted(([a], [b]) => (a < b ? -1 : 1));
  return create(GetNamespacesResponseSchema, {
    namespaces: sorted.map(([, namespace]) => namespace),
  });
}
