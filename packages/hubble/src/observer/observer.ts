// One node's flows, for everybody who asks: the newest in memory, older ones from the store, new ones as they come.
//
// The order is that of arrival: a flow's sequence. Flows of several CPUs arrive in batches that the pipeline sorts by time
// before add(); between batches times may step back by as much as a batch covers. Bounds on time are therefore asked of
// every flow, never taken to end a search.
import type { AgentEvent, Flow, FlowHistory, LostEvents } from "../model.ts";
import { AgentEventLog } from "./agent-events.ts";
import { EncodedFlows } from "./encoded.ts";
import { isProtected, type ObservedEvent } from "./events.ts";
import { Follower } from "./follower.ts";
import { LossLog } from "./losses.ts";
import { Namespaces, type SeenNamespace } from "./namespaces.ts";
import { isWanted, type Past } from "./past.ts";
import type { FlowsQuery, Range } from "./query.ts";
import { FlowRate } from "./rate.ts";
import { readPast } from "./read.ts";
import { FlowRing } from "./ring.ts";

export type ObserverOptions = {
  /** As flows have it: "node-1", "cluster/node-1". */
  readonly nodeName: string;
  /** Flows in memory: 2^n - 1, at most 65535 (hubble-event-buffer-capacity). */
  readonly capacity?: number;
  /** The same for drops, errors and audit verdicts alone. */
  readonly protectedCapacity?: number;
  /** Flows that wait for one client that follows. */
  readonly followerCapacity?: number;
  /** A flow must be in it at the latest when it is added here. */
  readonly history?: FlowHistory;
  /** UNIX time in nanoseconds. */
  readonly now?: () => bigint;
};

export type ObserverStatus = {
  readonly flows: number;
  readonly capacity: number;
  readonly seenFlows: number;
  readonly uptimeNs: bigint;
  readonly flowsPerSecond: number;
  readonly followers: number;
  /** By LostEventSource, since the start. What clients lost on their own is not among them. */
  readonly lostEvents: ReadonlyMap<number, number>;
};

const defaults = { capacity: 4_095, protectedCapacity: 4_095, followerCapacity: 8_192 };
/** After `until` is over, how long flows of that time may still arrive. */
const lateMs = 1_000;

export class Observer {
  readonly nodeName: string;
  readonly #ring: FlowRing;
  readonly #protected: FlowRing;
  readonly #encoded = new EncodedFlows();
  readonly #losses = new LossLog();
  readonly #namespaces = new Namespaces();
  readonly #agentEvents = new AgentEventLog();
  readonly #followers = new Set<Follower>();
  readonly #followerCapacity: number;
  readonly #history: FlowHistory | undefined;
  readonly #now: () => bigint;
  readonly #startedNs: bigint;
  readonly #rate: FlowRate;
  #seenFlows = 0;

  /** @throws RangeError for a capacity that is not 2^n - 1 */
  constructor(options: ObserverOptions) {
    const { capacity, protectedCapacity, followerCapacity } = { ...defaults, ...options };
    this.nodeName = options.nodeName;
    this.#ring = new FlowRing(capacity);
    this.#protected = new FlowRing(protectedCapacity);
    this.#followerCapacity = followerCapacity;
    this.#history = options.history;
    this.#now = options.now ?? (() => BigInt(Date.now()) * 1_000_000n);
    this.#startedNs = this.#now();
    this.#rate = new FlowRate(toMs(this.#startedNs));
  }

  /**
   * New flows in the order of their sequences, which go on from the last ones'. The array may be used again afterwards,
   * the flows and endpoints may not change. @throws RangeError for a sequence that does not go on
   */
  add(flows: readonly Flow[]): void {
    if (flows.length === 0) return;
    const now = this.#now();
    let { source: lastSource, destination: lastDestination } = flows[0] as Flow;
    this.#namespaces.see(lastSource, now);
    this.#namespaces.see(lastDestination, now);
    let sequence = this.#ring.newest?.sequence ?? 0;
    for (const flow of flows) {
      if (flow.sequence <= sequence)
        throw new RangeError(`flow ${flow.sequence} comes after flow ${sequence}`);
      sequence = flow.sequence;
      this.#ring.push(flow);
      if (isProtected(flow)) this.#protected.push(flow);
      // Runs of flows have the same ends.
      if (flow.source !== lastSource) this.#namespaces.see((lastSource = flow.source), now);
      if (flow.destination !== lastDestination)
        this.#namespaces.see((lastDestination = flow.destination), now);
    }
    this.#seenFlows += flows.length;
    this.#rate.add(flows.length, toMs(now));
    if (this.#followers.size === 0) return;
    const batch = flows.slice();
    for (const follower of this.#followers) follower.offer(batch);
  }

  /** Flows that were lost before they got here, at this place between the others. */
  lost(event: LostEvents): void {
    if (event.count <= 0) return;
    this.#losses.add(event, this.#ring.newest?.sequence ?? 0);
    for (const follower of this.#followers) follower.offerLost(event);
  }

  addAgentEvent(event: AgentEvent): void {
    this.#agentEvents.add(event);
  }

  /**
   * The flows that a query wants, in batches, oldest first, with what was lost between them; see readPast for which.
   * Those of a query that follows never end, except after its `untilNs`. @throws the signal's reason
   */
  async *getFlows(
    query: FlowsQuery,
    signal: AbortSignal,
  ): AsyncGenerator<readonly ObservedEvent[]> {
    signal.throwIfAborted();
    if (!query.follow) return yield* readPast(this.#past(), query, signal);
    using follower = this.#follow(query, signal);
    // In the same turn as the follower: no flow is in both, none in neither.
    const past = this.#past();
    try {
      yield* readPast(past, query, signal);
      using _timer = this.#endAfter(query.untilNs, follower);
      for (let events = await follower.next(); events; events = await follower.next()) yield events;
    } finally {
      this.#followers.delete(follower);
    }
  }

  /** The same of agent events, one at a time. @throws the signal's reason */
  getAgentEvents(range: Range, signal: AbortSignal): AsyncGenerator<AgentEvent> {
    return this.#agentEvents.read(range, signal);
  }

  /** `encode(flow)`, once for all clients as long as it is one of the newest. `encode` is always the same function. */
  encodedOf(flow: Flow, encode: (flow: Flow) => Uint8Array): Uint8Array {
    return this.#encoded.get(flow, encode);
  }

  /** Those with flows during the last hour. */
  namespaces(): readonly SeenNamespace[] {
    return this.#namespaces.list(this.#now());
  }

  status(): ObserverStatus {
    const now = this.#now();
    return {
      flows: this.#ring.size,
      capacity: this.#ring.capacity,
      seenFlows: this.#seenFlows,
      uptimeNs: now > this.#startedNs ? now - this.#startedNs : 0n,
      flowsPerSecond: this.#rate.perSecond(toMs(now)),
      followers: this.#followers.size,
      lostEvents: this.#losses.totals,
    };
  }

  #past(): Past {
    const recent = this.#ring.toArray();
    const belowSequence = recent[0]?.sequence ?? (this.#history?.lastSequence ?? 0) + 1;
    return {
      recent,
      belowSequence,
      protected: this.#protected.toArray().filter(({ sequence }) => sequence < belowSequence),
      losses: this.#losses.toArray(),
      history: this.#history,
    };
  }

  #follow(query: FlowsQuery, signal: AbortSignal): Follower {
    const capacity = this.#followerCapacity;
    const follower = new Follower({ capacity, wants: (flow) => isWanted(query, flow), signal });
    this.#followers.add(follower);
    return follower;
  }

  #endAfter(untilNs: bigint | undefined, follower: Follower): Disposable {
    const leftMs = untilNs === undefined ? Infinity : toMs(untilNs - this.#now()) + lateMs;
    if (leftMs <= 0) follower.end();
    // A timer counts to 2^31 ms, 24 days; nobody's end is further away.
    if (leftMs <= 0 || leftMs >= 2 ** 31) return { [Symbol.dispose]: () => undefined };
    const timer = setTimeout(() => follower.end(), leftMs);
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  }
}

function toMs(ns: bigint): number {
  return Number(ns / 1_000_000n);
}
