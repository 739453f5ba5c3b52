// GetFlows of a cluster: every peer is asked the same, and the answers are put in order.
//
//   peers --PeerStream--> Newest   the newest N of all, when every peer has answered
//                    \--> InOrder  as they come; peers join, break and come back
import type { GetFlowsRequest } from "../gen/observer/observer_pb.ts";
import type { ConnectError, ServerStream } from "../grpc/index.ts";
import type { PendingBytes } from "../grpc/pending.ts";
import { InOrder } from "./in-order.ts";
import type { Message } from "./source.ts";
import { Newest } from "./newest.ts";
import { NodeEvents, NodeState } from "./node-events.ts";
import { Outlet } from "./outlet.ts";
import type { Peer } from "./peer.ts";
import { PeerStream, type PeerStreamOptions, type Received } from "./peer-stream.ts";
import type { PeerPool } from "./pool.ts";
import {
  freshRequest,
  type Part,
  partsOf,
  peerRequest,
  resumeRequest,
  unbounded,
} from "./request.ts";
import type { Trail } from "./trail.ts";
import { Bell } from "./waiting.ts";

export type FlowsOptions = {
  readonly pool: PeerPool;
  /** Of relay, in events. */
  readonly nodeName: string;
  /** Messages that wait to be sorted, for one client. */
  readonly sortBufferLenMax: number;
  readonly sortBufferDrainTimeoutMs: number;
  readonly retryTimeoutMs: number;
  /** What all clients' newest flows may hold. */
  readonly held: PendingBytes;
  readonly onPeerError: (peer: Peer, error: ConnectError) => void;
  /** Called for each message to the client. */
  readonly onSent: () => void;
};

/** What is under way from a node: its agent reads the kernel every 20 ms. */
const reorderMs = 100;
const sortBufferBytes = 16 * 1024 * 1024;
/** A relay that has just started has not connected to anybody yet. */
const patienceMs = 2000;
/** Losses that are told with the newest flows. */
const mostLosses = 1000;

/** Answers one client. @throws ConnectError */
export async function serveFlows(
  asked: GetFlowsRequest,
  stream: ServerStream,
  options: FlowsOptions,
): Promise<void> {
  const request = unbounded(asked);
  const parts = partsOf(request);
  const bell = new Bell();
  const events = new NodeEvents(() => bell.ring());
  const outlet = new Outlet(stream, { ...options, events });
  const trails = new Map<string, Trail>();
  const call: Call = { request, options, bell, events, outlet, trails };
  // Peers' streams end with the client's, however that ends.
  using ending = linked(stream.signal);
  await options.pool.settled(patienceMs, ending.signal);
  for (const { about, error } of options.pool.unusable)
    events.report(about.name, NodeState.NODE_ERROR, error);
  for (const part of parts)
    await (part.kind === "newest" ? sendNewest : sendInOrder)(call, part, ending.signal);
  await outlet.writeEvents();
}

type Call = {
  readonly request: GetFlowsRequest;
  readonly options: FlowsOptions;
  readonly bell: Bell;
  readonly events: NodeEvents;
  readonly outlet: Outlet;
  /** Of peers that answered an earlier part. */
  readonly trails: Map<string, Trail>;
};

async function sendNewest(call: Call, part: Part, signal: AbortSignal): Promise<void> {
  const { request, options, outlet, trails } = call;
  using held = options.held.request();
  const flows = new Newest(part.limit, held.add);
  const losses = new Newest(mostLosses);
  const asked = peerRequest(request, part);
  /** Aborted when there is no room for what peers send. */
  const full = new AbortController();
  const take = ({ isFlow, timeNs, bytes }: Received) => {
    try {
      // Of a batch of many, few may stay.
      (isFlow ? flows : losses).add({ timeNs, bytes: bytes.slice() });
    } catch (error) {
      full.abort(error);
    }
  };
  const answers = options.pool.peers.map(async (peer) => {
    const stream = peerStream(call, peer, {
      intake: {
        begin: () => undefined,
        take,
        room: () => undefined,
        end: () => undefined,
      },
      request: () => asked,
      persistent: false,
      endless: false,
    });
    await stream.run(AbortSignal.any([signal, peer.signal, full.signal]));
    trails.set(peer.name, stream.trail);
  });
  await outlet.writeEvents();
  await Promise.all(answers);
  signal.throwIfAborted();
  full.signal.throwIfAborted();
  await outlet.writeEvents();
  for (const { bytes } of withLosses(flows.sorted(), losses.sorted())) {
    const blocked = outlet.write(bytes);
    if (blocked) await blocked;
  }
}

/** Losses since the first of the flows, each in its place. */
function withLosses(flows: readonly Message[], losses: readonly Message[]): Message[] {
  const [first] = flows;
  const told = first ? losses.filter(({ timeNs }) => timeNs >= first.timeNs) : losses;
  return [...flows, ...told].toSorted((a, b) => Number(a.timeNs - b.timeNs));
}

async function sendInOrder(call: Call, part: Part, signal: AbortSignal): Promise<void> {
  const { request, options, bell, events, outlet, trails } = call;
  const follow = part.kind === "follow";
  const endless = follow && request.until === undefined;
  const continues = trails.size > 0;
  const merged = new InOrder({
    merge: {
      follow,
      drainMs: options.sortBufferDrainTimeoutMs,
      reorderMs: Math.min(reorderMs, options.sortBufferDrainTimeoutMs),
      busyReorderMs: options.sortBufferDrainTimeoutMs / 2,
      capacity: options.sortBufferLenMax,
      capacityBytes: sortBufferBytes,
    },
    outlet,
    events,
    bell,
    caughtUp: follow && (continues || request.since === undefined),
    limit: part.limit,
    endless,
  });
  const asked = peerRequest(request, part);
  const start = (peer: Peer) => {
    const known = trails.get(peer.name);
    const stream = peerStream(call, peer, {
      intake: merged.intake(),
      request: (trail) => {
        if (!follow) return asked;
        if (!trail.isEmpty) return resumeRequest(request, trail.resume());
        return known ? freshRequest(request) : asked;
      },
      persistent: follow,
      endless,
      ...(known ? { trail: known } : {}),
    });
    merged.add(stream.run(AbortSignal.any([signal, peer.signal])));
  };
  using _ = options.pool.subscribe((change) => {
    if (change.kind === "added" && follow) start(change.peer);
    if (change.kind === "removed" && !change.replaced)
      events.report(change.peer.name, NodeState.NODE_GONE);
  });
  for (const peer of options.pool.peers) start(peer);
  await outlet.writeEvents();
  await merged.send(signal);
}

function peerStream(
  { events, options }: Call,
  peer: Peer,
  own: Pick<PeerStreamOptions, "intake" | "request" | "persistent" | "endless" | "trail">,
): PeerStream {
  return new PeerStream({
    ...own,
    peer,
    events,
    retryTimeoutMs: options.retryTimeoutMs,
    silenceMs: options.sortBufferDrainTimeoutMs,
    onError: options.onPeerError,
  });
}

/** A signal that ends with another, or when it is disposed of. */
function linked(signal: AbortSignal): { readonly signal: AbortSignal } & Disposable {
  const controller = new AbortController();
  const abort = () => controller.abort(signal.reason);
  signal.addEventListener("abort", abort);
  if (signal.aborted) abort();
  return {
    signal: controller.signal,
    [Symbol.dispose]: () => {
      signal.removeEventListener("abort", abort);
      controller.abort();
    },
  };
}
