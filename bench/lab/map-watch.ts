// Tells when entries of pinned maps change, to a fifth of a millisecond, in a thread of its own.
import { once } from "node:events";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import type { Entry, FromPoll, ToPoll } from "./map-poll.ts";

export type { Entry } from "./map-poll.ts";

export class MapWatch implements AsyncDisposable {
  readonly #worker = new Worker(join(import.meta.dirname, "map-poll.ts"));

  /**
   * Watches entries from now on: resolves when it does, with a promise of when each of them changed (process.hrtime).
   * That rejects when one has not after `timeoutMs`. One call at a time.
   */
  async watch(
    entries: readonly Entry[],
    timeoutMs: number,
  ): Promise<{ readonly seen: Promise<readonly bigint[]> }> {
    this.#worker.postMessage({ entries, timeoutMs } satisfies ToPoll);
    await this.#next();
    return { seen: this.#seen(entries) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker.terminate();
  }

  async #seen(entries: readonly Entry[]): Promise<readonly bigint[]> {
    const message = await this.#next();
    const atNs = message.kind === "seen" ? message.atNs : [];
    const missed = entries.find((_, index) => atNs[index] === undefined);
    if (missed) throw new Error(`an entry of ${missed.path} did not change in time`);
    return atNs as readonly bigint[];
  }

  async #next(): Promise<FromPoll> {
    const [message] = (await once(this.#worker, "message")) as [FromPoll];
    return message;
  }
}
