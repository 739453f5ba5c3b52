// Keys to look at: each at most once in the queue and never twice at the same time. Failures come back later.
import { setTimeout as sleep } from "node:timers/promises";

export type QueueOptions = {
  /** Makes the world right for one key. A throw is a retry. */
  readonly reconcile: (key: string) => Promise<void>;
  readonly onError: (key: string, error: unknown) => void;
  readonly concurrency?: number;
  readonly retry?: { readonly minMs: number; readonly maxMs: number };
};

export class WorkQueue {
  readonly #options: QueueOptions;
  readonly #waiting = new Set<string>();
  readonly #running = new Set<string>();
  readonly #failures = new Map<string, number>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #stopped = true;

  constructor(options: QueueOptions) {
    this.#options = options;
  }

  /** Works off what was added before and what is added from now on. */
  start(): void {
    this.#stopped = false;
    this.#next();
  }

  /** Takes nothing more; resolves when what is under way has ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const timer of this.#timers) clearTimeout(timer);
    while (this.#running.size > 0) await sleep(5);
  }

  /** A key that is being worked on is worked on again afterwards. */
  add(key: string): void {
    this.#waiting.add(key);
    this.#next();
  }

  addAfter(key: string, delayMs: number): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.add(key);
    }, delayMs);
    this.#timers.add(timer);
  }

  #next(): void {
    for (const key of this.#waiting) {
      if (this.#stopped || this.#running.size >= (this.#options.concurrency ?? 8)) return;
      if (this.#running.has(key)) continue;
      this.#waiting.delete(key);
      this.#running.add(key);
      void this.#work(key);
    }
  }

  async #work(key: string): Promise<void> {
    try {
      await this.#options.reconcile(key);
      this.#failures.delete(key);
    } catch (error) {
      if (!this.#stopped) this.#retry(key, error);
    } finally {
      this.#running.delete(key);
      this.#next();
    }
  }

  #retry(key: string, error: unknown): void {
    const { minMs, maxMs } = this.#options.retry ?? { minMs: 50, maxMs: 10_000 };
    const failures = this.#failures.get(key) ?? 0;
    this.#failures.set(key, failures + 1);
    this.#options.onError(key, error);
    this.addAfter(key, Math.min(minMs * 2 ** failures, maxMs));
  }
}
