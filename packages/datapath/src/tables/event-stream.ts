// Live events for any number of listeners from rings that take one reader. They are looked at only while somebody
// listens; what lies in them from before is skipped, since listeners asked for live events.
import type { RingBuffer } from "@tsilium/ebpf";
import { clockBoottimeNs } from "@tsilium/syscall";
import { decodeEvent } from "./events.ts";
import type { DatapathEvent } from "../model.ts";

/** Events a listener may lag behind before the oldest are thrown away. */
const listenerCapacity = 16_384;

/** A part of RingBuffer, so that tests can feed records. */
export type EventSource = Pick<RingBuffer, "events">;

export class EventStream {
  readonly #sources: readonly EventSource[];
  readonly #listeners = new Set<Listener>();
  /** Of the running reader; undefined when nobody listens. */
  #stopReading: AbortController | undefined;
  #reading: Promise<void> = Promise.resolve();

  constructor(sources: readonly EventSource[]) {
    this.#sources = sources;
  }

  /**
   * Events from now on, until `signal` aborts (then it ends) or the loop is left. A listener that is too slow loses the
   * oldest ones. @throws what reading failed with
   */
  async *events(signal: AbortSignal): AsyncGenerator<DatapathEvent> {
    const listener = new Listener();
    const wake = (): void => listener.wake();
    signal.addEventListener("abort", wake);
    this.#listeners.add(listener);
    this.#startReading();
    try {
      while (!signal.aborted && !listener.ended) {
        const events = listener.take();
        if (events.length === 0) await listener.waiting();
        yield* events;
      }
    } finally {
      signal.removeEventListener("abort", wake);
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.#stopReading?.abort();
    }
  }

  /** Ends every listener's stream; resolves once nothing is read any more. */
  async stopped(): Promise<void> {
    for (const listener of this.#listeners) listener.end();
    this.#stopReading?.abort();
    await this.#reading;
  }

  #startReading(): void {
    if (this.#stopReading !== undefined && !this.#stopReading.signal.aborted) return;
    const stop = new AbortController();
    this.#stopReading = stop;
    const previous = this.#reading;
    this.#reading = previous.then(() => this.#read(stop.signal));
  }

  async #read(signal: AbortSignal): Promise<void> {
    const startNs = clockBoottimeNs();
    await Promise.all(this.#sources.map((source) => this.#readOne(source, startNs, signal)));
    if (this.#stopReading?.signal === signal) this.#stopReading = undefined;
  }

  async #readOne(source: EventSource, startNs: bigint, signal: AbortSignal): Promise<void> {
    try {
      for await (const records of source.events(signal)) {
        for (const record of records) {
          const event = decodeEvent(record);
          if (event === undefined || event.timestampNs < startNs) continue;
          for (const listener of this.#listeners) listener.push(event);
        }
      }
    } catch (error) {
      for (const listener of this.#listeners) listener.fail(error);
      // The others' events are of no use to listeners that have failed, and the next one starts anew.
      this.#stopReading?.abort();
    }
  }
}

/** One consumer's queue. */
class Listener {
  ended = false;
  #queue: DatapathEvent[] = [];
  #failure: { readonly error: unknown } | undefined;
  #wake = Promise.withResolvers<void>();

  push(event: DatapathEvent): void {
    if (this.#queue.length >= listenerCapacity) this.#queue.shift();
    this.#queue.push(event);
    this.wake();
  }

  /** @throws what the reader failed with, once the queue is empty */
  take(): DatapathEvent[] {
    const events = this.#queue;
    if (events.length === 0 && this.#failure !== undefined) throw this.#failure.error;
    this.#queue = [];
    return events;
  }

  fail(error: unknown): void {
    this.#failure = { error };
    this.wake();
  }

  end(): void {
    this.ended = true;
    this.wake();
  }

  wake(): void {
    this.#wake.resolve();
  }

  /** Resolves when something was pushed since the last `take`. */
  async waiting(): Promise<void> {
    await this.#wake.promise;
    this.#wake = Promise.withResolvers<void>();
  }
}
