// How long the API server takes to answer a small question, asked all the time: what a leader's renewals meet.
import { setTimeout as sleep } from "node:timers/promises";
import type { Cluster } from "./cluster.ts";

export type Answer = {
  /** When it was asked, by the wall's clock. */
  readonly asked: Date;
  /** Until it was answered, or could not be. */
  readonly tookMs: number;
  readonly isAnswered: boolean;
};

const everyMs = 500;
const patienceMs = 20_000;

export class Answers implements AsyncDisposable {
  readonly all: Answer[] = [];
  readonly #cluster: Cluster;
  readonly #over = new AbortController();
  readonly #asking: Promise<void>;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    this.#asking = this.#ask();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort();
    await this.#asking;
  }

  async #ask(): Promise<void> {
    const { signal } = this.#over;
    while (!signal.aborted) {
      const asked = new Date();
      const begun = performance.now();
      const limited = AbortSignal.any([signal, AbortSignal.timeout(patienceMs)]);
      const isAnswered = await this.#cluster.client.raw("/livez", { signal: limited }).then(
        () => true,
        () => false,
      );
      this.all.push({ asked, tookMs: Math.round(performance.now() - begun), isAnswered });
      await sleep(everyMs, undefined, { signal }).catch(() => undefined);
    }
  }
}
