// Peers' streams, merged, on their way to one client.
import { peekResponse } from "../codec/index.ts";
import { FlowMerge, type MergeOptions } from "./merge.ts";
import type { MergeSource } from "./source.ts";
import type { NodeEvents } from "./node-events.ts";
import type { Outlet } from "./outlet.ts";
import type { Intake } from "./peer-stream.ts";
import type { Bell } from "./waiting.ts";

export type InOrderOptions = {
  readonly merge: MergeOptions;
  readonly outlet: Outlet;
  readonly events: NodeEvents;
  /** Rings when an event is reported. */
  readonly bell: Bell;
  /** Peers have nothing old to send. */
  readonly caughtUp: boolean;
  /** Flows; 0: all. */
  readonly limit: number;
  /** Ends with the signal alone. */
  readonly endless: boolean;
};

/** Several times per drain timeout, and often enough for what waits for reorderMs. */
const tickMs = 25;
/** Events of nodes wait that long for more of their kind. */
const eventsMs = 50;

export class InOrder {
  readonly #options: InOrderOptions;
  readonly #merge: FlowMerge;
  #running = 0;
  #error: unknown;
  #blocked: { readonly source: MergeSource; readonly resume: () => void }[] = [];
  #tickedMs = 0;
  #left: number;
  #closed = false;

  constructor(options: InOrderOptions) {
    this.#options = options;
    this.#merge = new FlowMerge(options.merge);
    this.#left = options.limit;
  }

  /** Where a peer's stream goes. It may begin and end several times. */
  intake(): Intake {
    const { outlet, bell } = this.#options;
    const merge = this.#merge;
    let source: MergeSource | undefined;
    let { caughtUp } = this.#options;
    return {
      begin: () => {
        source = merge.add(outlet.nowMs, { caughtUp });
        // The others are not to wait a second time.
        caughtUp = true;
      },
      take: (message) => merge.push(source as MergeSource, message, outlet.nowMs),
      room: () => {
        bell.ring();
        const begun = source as MergeSource;
        if (this.#closed || merge.wants(begun)) return undefined;
        return new Promise((resume) => this.#blocked.push({ source: begun, resume }));
      },
      end: () => {
        merge.end(source as MergeSource);
        bell.ring();
      },
    };
  }

  /** A peer's part. One that fails ends the whole. */
  add(work: Promise<void>): void {
    this.#running++;
    work
      .catch((error: unknown) => (this.#error ??= error))
      .finally(() => {
        this.#running--;
        this.#options.bell.ring();
      });
  }

  /** Sends until everything is sent, or `limit` flows are. @throws what `add`'s promises or the client's stream throw */
  async send(signal: AbortSignal): Promise<void> {
    try {
      await this.#send(signal);
    } finally {
      this.#closed = true;
      for (const { resume } of this.#blocked) resume();
    }
  }

  async #send(signal: AbortSignal): Promise<void> {
    const { outlet, events, bell, endless } = this.#options;
    let eventsAtMs: number | undefined;
    for (;;) {
      if (this.#error !== undefined) throw this.#error;
      signal.throwIfAborted();
      if (events.waiting) eventsAtMs ??= performance.now() + eventsMs;
      if (eventsAtMs !== undefined && performance.now() >= eventsAtMs) {
        eventsAtMs = undefined;
        await outlet.writeEvents();
      }
      if (await this.#sendReady()) return;
      this.#resume();
      if (this.#error !== undefined) continue;
      if (!endless && this.#running === 0 && this.#merge.finished) return;
      const waitMs = this.#merge.waiting > 0 ? tickMs : events.waiting ? eventsMs : undefined;
      await bell.wait(waitMs, signal);
    }
  }

  /** Answers whether the limit is reached. */
  async #sendReady(): Promise<boolean> {
    const { outlet, limit } = this.#options;
    const nowMs = outlet.nowMs;
    if (nowMs - this.#tickedMs >= tickMs) {
      this.#merge.tick(nowMs);
      this.#tickedMs = nowMs;
    }
    for (let next = this.#merge.pop(nowMs); next; next = this.#merge.pop(outlet.nowMs)) {
      const blocked = outlet.write(next.bytes);
      if (blocked) await blocked;
      if (limit > 0 && peekResponse(next.bytes).kind === "flow" && --this.#left === 0) return true;
    }
    return false;
  }

  #resume(): void {
    if (this.#blocked.length === 0) return;
    const blocked = this.#blocked;
    this.#blocked = [];
    for (const each of blocked)
      if (this.#merge.wants(each.source)) each.resume();
      else this.#blocked.push(each);
  }
}
