// Messages of many peers, each peer's (nearly) in order, put into one order by time. Pure: the clock is handed in.
//
//   peer 1: ooo \                                      The earliest message goes out when every other peer has one
//   peer 2: o    > earliest first --> client           waiting that is later, or need not be waited for:
//   peer 3:     /  (silent: how long to wait?)         - one that is catching up (it may be reading its past) is waited
//                                                        for until it was silent for the drain timeout;
//   - one that has caught up sends what happens, so that only what is under way from there can be earlier (reorderMs);
//     longer for one that is never silent for long otherwise, since then something holds it up (busyReorderMs).
//
// Clocks. Times of peers are compared with each other, never with ours. A node whose clock is behind has its flows
// sent on at once; those of others wait for it as said above. One that is ahead by less than the drain timeout is
// waited out. One that is further ahead would wait for the others to reach its time: seen waiting, it is
// moved back to where the others are, and from then on sorted as if its clock were theirs. Times in flows stay as
// they are.
import { Heap } from "./heap.ts";
import {
  insert,
  isBusy,
  type MergeSource,
  type Message,
  newSource,
  type Waiting,
} from "./source.ts";

export type MergeOptions = {
  /** The streams go on for ever: what waits for too long goes out, instead of holding up who reads or being held up. */
  readonly follow: boolean;
  /** How long all are held up by one silent peer, once; ms. */
  readonly drainMs: number;
  /** How long by one that has caught up, each time; ms. */
  readonly reorderMs: number;
  /** The same for one that is busy otherwise. Well below drainMs: what waits for that long is of a clock that is ahead. */
  readonly busyReorderMs: number;
  /** Messages that wait, of all peers. */
  readonly capacity: number;
  /** Their bytes. */
  readonly capacityBytes: number;
};

/** Growth of a lead by less than this is jitter. */
const jitterMs = 100;
/** Drain timeouts that a peer which always speaks up just in time may hold up the others, in all. */
const patience = 10;
/** Sent messages are removed from a queue so many at a time. */
const sweep = 1024;

export class FlowMerge {
  readonly #options: MergeOptions;
  /** Streams of which something waits, the earliest first. */
  readonly #speaking = new Heap<MergeSource>();
  /** Those of which nothing waits, and that have not ended. */
  readonly #silent = new Set<MergeSource>();
  /** Of the silent ones. */
  #silentCatchingUp = 0;
  /** Of the silent ones that have caught up. */
  #silentBusy = 0;
  /** Of those that have not ended. */
  #catchingUp = 0;
  #open = 0;
  #waiting = 0;
  #waitingBytes = 0;
  #epochNs: bigint | undefined;
  #tickedMs: number | undefined;
  /** The latest of all that came. */
  #latestNs = Number.NEGATIVE_INFINITY;
  #relaxedMs = Number.NEGATIVE_INFINITY;
  /** When somebody was last seen catching up. */
  #catchingUpAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: MergeOptions) {
    this.#options = options;
  }

  /** A stream begins. @param caughtUp it joins streams that run, with nothing old. */
  add(nowMs: number, { caughtUp }: { readonly caughtUp: boolean }): MergeSource {
    const source = newSource(nowMs, caughtUp);
    this.#open++;
    if (!caughtUp) this.#catchingUp++;
    this.#fallSilent(source, nowMs);
    return source;
  }

  push(source: MergeSource, { timeNs, bytes }: Message, nowMs: number): void {
    // Of a number, nanoseconds are exact for a hundred days around the first message, and near enough beyond.
    this.#epochNs ??= timeNs;
    const ns = Number(timeNs - this.#epochNs);
    const leadMs = ns / 1e6 - nowMs;
    if (leadMs > source.leadMs + jitterMs) {
      source.leadMs = leadMs;
      source.leadGrewMs = nowMs;
    }
    this.#latestNs = Math.max(this.#latestNs, ns - source.aheadNs);
    source.behindNs = Math.min(source.behindNs, this.#latestNs - (ns - source.aheadNs));
    insert(source, { timeNs, bytes, ns, arrivedMs: nowMs });
    this.#waiting++;
    this.#waitingBytes += bytes.length;
    if (source.place >= 0) {
      this.#keyed(source);
      return;
    }
    this.#speakUp(source);
    const silenceMs = nowMs - source.silentSinceMs;
    source.silenceMs =
      source.silenceMs === Number.POSITIVE_INFINITY
        ? silenceMs
        : source.silenceMs + (silenceMs - source.silenceMs) / 8;
    source.key = ns - source.aheadNs;
    this.#speaking.push(source);
  }

  /** Nothing more comes; what waits still goes out. */
  end(source: MergeSource): void {
    if (source.ended) return;
    source.ended = true;
    this.#open--;
    this.#speakUp(source);
    if (!source.caughtUp) this.#catchingUp--;
  }

  /** Whether more should be read from it: from a silent one always, since others may wait for it. */
  wants(source: MergeSource): boolean {
    return source.place < 0 || !this.#full;
  }

  /** Takes the next message for the client, if one may go out now. */
  pop(nowMs: number): Message | undefined {
    const source = this.#speaking.top;
    if (!source) return undefined;
    const message = source.queue[source.first] as Waiting;
    if (!this.#mayGo(message, nowMs)) return undefined;
    this.#waiting--;
    this.#waitingBytes -= message.bytes.length;
    this.#advance(source, nowMs);
    return message;
  }

  /** Sees to what the mere passing of time changes. Wanted several times per drain timeout; O(peers). */
  tick(nowMs: number): void {
    const { drainMs, follow } = this.#options;
    const sinceMs = nowMs - (this.#tickedMs ?? nowMs);
    this.#tickedMs = nowMs;
    for (const source of this.#silent) {
      if (source.caughtUp) {
        if (isBusy(source) && nowMs - source.silentSinceMs >= drainMs) this.#forgetBusy(source);
        continue;
      }
      if (this.#waiting > 0) source.heldUpMs += Math.min(sinceMs, nowMs - source.silentSinceMs);
      const silentMs = nowMs - source.silentSinceMs;
      if (silentMs >= drainMs || source.heldUpMs >= patience * drainMs) this.#catchUp(source);
    }
    if (!follow) return;
    for (const sources of [this.#silent, this.#speaking.members])
      for (const source of sources) if (nowMs - source.leadGrewMs >= drainMs) this.#catchUp(source);
    this.#moveBack(nowMs);
    if (nowMs - this.#relaxedMs < drainMs) return;
    this.#relaxedMs = nowMs;
    this.#relax();
  }

  /** Messages that wait. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Nothing waits and nothing can come. */
  get finished(): boolean {
    return this.#open === 0 && this.#waiting === 0;
  }

  get #full(): boolean {
    const { capacity, capacityBytes } = this.#options;
    return this.#waiting >= capacity || this.#waitingBytes >= capacityBytes;
  }

  #mayGo({ arrivedMs }: Waiting, nowMs: number): boolean {
    if (this.#silent.size === 0) return true;
    if (this.#silentCatchingUp > 0) return false;
    const { reorderMs, busyReorderMs, follow } = this.#options;
    const patienceMs = this.#silentBusy > 0 ? busyReorderMs : reorderMs;
    return nowMs - arrivedMs >= patienceMs || (follow && this.#full);
  }

  /** Past its first message. */
  #advance(source: MergeSource, nowMs: number): void {
    source.first++;
    const next = source.queue[source.first];
    if (!next) {
      source.queue.length = 0;
      source.first = 0;
      this.#speaking.remove(source);
      if (!source.ended) this.#fallSilent(source, nowMs);
      return;
    }
    if (source.first >= sweep) {
      source.queue.splice(0, source.first);
      source.first = 0;
    }
    this.#keyed(source);
  }

  /**
   * Others may have been late, rather than one ahead. Then what was moved back now comes too early, always, and is moved
   * forward again.
   */
  #relax(): void {
    for (const source of [...this.#silent, ...this.#speaking.members]) {
      const { behindNs, aheadNs } = source;
      source.behindNs = Number.POSITIVE_INFINITY;
      if (aheadNs === 0 || behindNs === Number.POSITIVE_INFINITY || behindNs < 2e6 * jitterMs)
        continue;
      const leftNs = aheadNs - behindNs;
      source.aheadNs = leftNs < 1e6 * jitterMs ? 0 : leftNs;
      if (source.place >= 0) this.#keyed(source);
    }
  }

  /** To where its first message belongs. */
  #keyed(source: MergeSource): void {
    const key = (source.queue[source.first] as Waiting).ns - source.aheadNs;
    if (key === source.key) return;
    source.key = key;
    this.#speaking.moved(source);
  }

  /**
   * A message that still waits after the drain timeout, although nobody is catching up and the earliest of the others
   * moves on, is of a clock that is ahead.
   */
  #moveBack(nowMs: number): void {
    const { top, members } = this.#speaking;
    if (this.#catchingUp > 0) {
      this.#catchingUpAtMs = nowMs;
      return;
    }
    const arrivedMs = ({ queue, first }: MergeSource) => (queue[first] as Waiting).arrivedMs;
    const sinceMs = nowMs - this.#options.drainMs;
    const ahead = new Set(
      members.filter(
        (source) => source !== top && Math.max(arrivedMs(source), this.#catchingUpAtMs) <= sinceMs,
      ),
    );
    if (ahead.size === 0) return;
    // The latest of the others: the earliest may be of a clock that is behind.
    const presentNs = members.reduce(
      (latest, source) => (ahead.has(source) ? latest : Math.max(latest, source.key)),
      Number.NEGATIVE_INFINITY,
    );
    this.#latestNs = presentNs;
    for (const source of ahead) {
      const byNs = source.key - presentNs + (nowMs - arrivedMs(source)) * 1e6;
      source.aheadNs += byNs;
      source.key -= byNs;
      this.#speaking.moved(source);
    }
  }

  #fallSilent(source: MergeSource, nowMs: number): void {
    source.silentSinceMs = nowMs;
    this.#silent.add(source);
    if (!source.caughtUp) this.#silentCatchingUp++;
    else if (isBusy(source)) this.#silentBusy++;
  }

  #speakUp(source: MergeSource): void {
    if (!this.#silent.delete(source)) return;
    if (!source.caughtUp) this.#silentCatchingUp--;
    else if (isBusy(source)) this.#silentBusy--;
  }

  #catchUp(source: MergeSource): void {
    if (source.caughtUp) return;
    source.caughtUp = true;
    if (!source.ended) this.#catchingUp--;
    if (!this.#silent.has(source)) return;
    this.#silentCatchingUp--;
    if (isBusy(source)) this.#silentBusy++;
  }

  /** Of a silent one. */
  #forgetBusy(source: MergeSource): void {
    source.silenceMs = Number.POSITIVE_INFINITY;
    this.#silentBusy--;
  }
}
