// Live events for any number of listeners from the one ring buffer, which takes one reader. The reader's thread runs
// only while somebody listens; what lies in the ring from before is skipped, since listeners asked for live events.
import type { RingBuffer } from "@tsilium/ebpf";
import { clockBoottimeNs } from "@tsilium/syscall";
import { decodeEvent } from "./events.ts";
import type { DropOrTraceEvent } from "../model.ts";

/** Events a listener may lag behind before the oldest are thrown away. */
const listenerCapacity = 16_384;

/** A part of RingBuffer, so that tests can feed records. */
export type EventSource = Pick<RingBuffer, "events">;

export class EventStream {
  readonly #source: EventSource;
  readonly #listeners = new Set<Listener>();
  /** Of the running reader; undefined when nobody listens. */
  #stopReading: AbortController | undefined;
  #reading: Promise<void> = Promise.resolve();

  constructor(source: EventSource) {
    this.#source = source;
  }

  /**
   * Events from now on, until `signal` aborts (then it ends) or the loop is left. A listener that is too slow loses the
   * oldest ones. @throws what reading failed with
   */
  async *events(signal: AbortSignal): AsyncGenerator<DropOrTraceEvent> {
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

  /** Ends every listener's stream; resolves once the reader's thread has ended. */
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
    try {
      for await (const records of this.#source.events(signal)) {
        for (const record of records) {
          const event = decodeEvent(record);
          if (event === undefined || event.timestampNs < startNs) continue;
          for (const listener of this.#listeners) listener.push(event);
        }
      }
    } catch (error) {
      for (const listener of this.#listeners) listener.fail(error);
    } finally {
      if (this.#stopReading?.signal === signal) this.#stopReading = undefined;
    }
  }
}

/** One consumer's queue. */
class Listener {
  ended = false;
  #queue: DropOrTraceEvent[] = [];
  #failure: { readonly error: unknown } | undefined;
  #wake = Promise.withResolvers<void>();

  push(event: DropOrTraceEvent): void {
    if (this.#queue.length >= listenerCapacity) this.#queue.shift();
    this.#queue.push(event);
    this.wake();
  }

  /** @throws what the reader failed with, once the queue is empty */
  take(): DropOrTraceEvent[] {
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
