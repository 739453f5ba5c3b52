// One client that follows: what it still has to look at, and what waits to be sent to it. Both are bounded, and the
// pipeline never waits for it:
//
//   add(flows) --> batches, unread --sift, in slices of time--> matches --> the client
//                     |                                           |
//                     +-- too many: counted as lost --------------+-- too many: counted as lost
//
// Filters run outside of add(), so that a dear one costs its own client flows and nobody else. Losses are told at their
// place, with their exact number: of flows that matched, unless the client's filter could not keep up with all flows.
import { type Flow, type LostEvents, LostEventSource } from "../model.ts";
import { isLost, isProtected, joinLost, type ObservedEvent } from "./events.ts";

export type FollowerOptions = {
  /** Of flows that match; those that are protected may be half as many more. */
  readonly capacity: number;
  readonly wants: (flow: Flow) => boolean;
  /** Ends `next`, with its reason. */
  readonly signal: AbortSignal;
};

/** Flows that nobody looked at yet; they are shared with the ring and other clients, as long as those hold them. */
const unreadCapacity = 65_536;
/** How long filters may keep the thread before others get a turn. */
const sliceMs = 2;
const flowsBetweenClocks = 16;

export class Follower implements Disposable {
  readonly #options: FollowerOptions;
  #unread: (readonly Flow[] | LostEvents)[] = [];
  #unreadFlows = 0;
  /** In the first of `#unread`, where to go on. */
  #at = 0;
  #matches: ObservedEvent[] = [];
  /** By source; not told yet, because there is no place in `#matches`. */
  readonly #untold = new Map<number, LostEvents>();
  #turn: NodeJS.Immediate | undefined;
  /** Of `next`, while it waits. */
  #wake: (() => void) | undefined;
  #isEnding = false;
  #failure: unknown;

  constructor(options: FollowerOptions) {
    this.#options = options;
    options.signal.addEventListener("abort", this.#wakeUp);
  }

  /** Cheap, whatever the filter. The batch must not change afterwards. */
  offer(flows: readonly Flow[]): void {
    const room = unreadCapacity - this.#unreadFlows;
    if (flows.length <= room) this.#keep(flows);
    else this.#keepProtected(flows, room + (unreadCapacity >> 1));
    this.#schedule();
  }

  offerLost(event: LostEvents): void {
    const last = this.#unread.at(-1);
    if (last && !isBatch(last) && last.source === event.source)
      this.#unread[this.#unread.length - 1] = joinLost(last, event);
    else this.#unread.push(event);
    this.#schedule();
  }

  /** No more flows are offered: `next` gives what is left, and then undefined. */
  end(): void {
    this.#isEnding = true;
    this.#wakeUp();
  }

  /** What there is, oldest first, as soon as there is something; undefined: the end. @throws the signal's reason */
  async next(): Promise<readonly ObservedEvent[] | undefined> {
    for (;;) {
      this.#options.signal.throwIfAborted();
      if (this.#failure !== undefined) throw this.#failure;
      const events = this.#take();
      if (events.length > 0) return events;
      if (this.#isEnding && this.#unread.length === 0) return undefined;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** Nothing is kept or done any more. */
  [Symbol.dispose](): void {
    this.#options.signal.removeEventListener("abort", this.#wakeUp);
    clearImmediate(this.#turn);
    this.#unread = [];
    this.#matches = [];
  }

  #keep(flows: readonly Flow[]): void {
    this.#unread.push(flows);
    this.#unreadFlows += flows.length;
  }

  /** Of a batch that is too much: the protected flows, as long as there is room for them. */
  #keepProtected(flows: readonly Flow[], room: number): void {
    const kept = flows.filter(isProtected).slice(0, Math.max(0, room));
    const [first, last] = [flows[0] as Flow, flows.at(-1) as Flow];
    const lost = {
      ...joinLost(lostFlow(first), lostFlow(last)),
      count: flows.length - kept.length,
    };
    if (lost.count > 0) this.offerLost(lost);
    if (kept.length > 0) this.#keep(kept);
  }

  #schedule(): void {
    this.#turn ??= setImmediate(() => {
      this.#turn = undefined;
      try {
        this.#sift();
      } catch (error) {
        // A filter's fault ends this client's stream, not the process.
        this.#failure = error;
        this.#unread = [];
      }
      if (this.#unread.length > 0) this.#schedule();
      this.#wakeUp();
    });
  }

  readonly #wakeUp = (): void => {
    this.#wake?.();
    this.#wake = undefined;
  };

  /** Looks at unread flows until they or the slice of time are over, or there is enough for a client that waits. */
  #sift(): void {
    const end = performance.now() + sliceMs;
    for (let entry = this.#unread[0]; entry !== undefined; entry = this.#unread[0]) {
      if (this.#hasEnough()) return;
      if (!isBatch(entry)) this.#push(entry);
      else if (this.#siftBatch(entry, end)) this.#unreadFlows -= entry.length;
      else return;
      this.#at = 0;
      this.#unread.shift();
    }
  }

  /** Whether it came to the end of the batch. */
  #siftBatch(flows: readonly Flow[], end: number): boolean {
    const { wants } = this.#options;
    while (this.#at < flows.length && !this.#hasEnough()) {
      const stop = Math.min(flows.length, this.#at + flowsBetweenClocks);
      for (; this.#at < stop; this.#at++) {
        const flow = flows[this.#at] as Flow;
        if (wants(flow)) this.#push(flow);
      }
      if (performance.now() > end) break;
    }
    return this.#at === flows.length;
  }

  /** Only a client that does not take what there is loses flows, not one that a busy moment brings too many at once. */
  #hasEnough(): boolean {
    return this.#wake !== undefined && this.#matches.length > this.#options.capacity >> 1;
  }

  #push(event: ObservedEvent): void {
    const { capacity } = this.#options;
    const room = isLost(event) || isProtected(event) ? capacity + (capacity >> 1) : capacity;
    if (this.#matches.length < room) {
      this.#tell();
      this.#matches.push(event);
    } else this.#remember(isLost(event) ? event : lostFlow(event));
  }

  #remember(event: LostEvents): void {
    const before = this.#untold.get(event.source);
    this.#untold.set(event.source, before ? joinLost(before, event) : event);
  }

  #tell(): void {
    if (this.#untold.size === 0) return;
    this.#matches.push(...this.#untold.values());
    this.#untold.clear();
  }

  #take(): readonly ObservedEvent[] {
    this.#tell();
    const events = this.#matches;
    this.#matches = [];
    return events;
  }
}

function isBatch(entry: readonly Flow[] | LostEvents): entry is readonly Flow[] {
  return Array.isArray(entry);
}

function lostFlow({ timeNs }: Flow): LostEvents {
  const source = LostEventSource.hubbleRingBuffer;
  return { source, count: 1, cpu: undefined, firstNs: timeNs, lastNs: timeNs };
}
