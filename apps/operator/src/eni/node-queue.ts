// Work by node: one job of a node at a time, so many nodes at once, failed ones later and later.

export type NodeQueueOptions = {
  readonly atOnce: number;
  readonly work: (name: string) => Promise<void>;
  /** Told of each failure, before it is tried again in `retryMs`. */
  readonly onError: (name: string, error: unknown, retryMs: number) => void;
  readonly retry: { readonly minMs: number; readonly maxMs: number };
};

export class NodeQueue {
  readonly #options: NodeQueueOptions;
  readonly #waiting = new Set<string>();
  readonly #running = new Map<string, Promise<void>>();
  readonly #timers = new Map<string, { readonly timer: NodeJS.Timeout; readonly atMs: number }>();
  readonly #failures = new Map<string, number>();
  #stopped = false;

  constructor(options: NodeQueueOptions) {
    this.#options = options;
  }

  /** Nodes whose last job failed. */
  get failing(): readonly string[] {
    return [...this.#failures.keys()];
  }

  /** Has a node looked at as soon as there is room; not before its time when it failed. */
  add(name: string): void {
    if (this.#stopped || this.#failures.has(name)) return;
    this.#waiting.add(name);
    this.#next();
  }

  /** The same, later; what is due earlier stays. */
  addIn(name: string, delayMs: number): void {
    const present = this.#timers.get(name);
    const atMs = Date.now() + delayMs;
    if (this.#stopped || (present && present.atMs <= atMs)) return;
    clearTimeout(present?.timer);
    const timer = setTimeout(() => {
      this.#timers.delete(name);
      this.#waiting.add(name);
      this.#next();
    }, delayMs);
    this.#timers.set(name, { timer: timer.unref(), atMs });
  }

  /** Its job is nobody's any more. */
  forget(name: string): void {
    clearTimeout(this.#timers.get(name)?.timer);
    this.#timers.delete(name);
    this.#waiting.delete(name);
    this.#failures.delete(name);
  }

  /** Resolves when nothing runs any more. Whoever runs is told by its own signal. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const { timer } of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    this.#waiting.clear();
    await Promise.allSettled(this.#running.values());
  }

  #next(): void {
    for (const name of this.#waiting) {
      if (this.#running.size >= this.#options.atOnce) return;
      if (this.#running.has(name)) continue;
      this.#waiting.delete(name);
      const job = this.#run(name).finally(() => {
        this.#running.delete(name);
        this.#next();
      });
      this.#running.set(name, job);
    }
  }

  async #run(name: string): Promise<void> {
    const { work, onError, retry } = this.#options;
    try {
      await work(name);
      this.#failures.delete(name);
    } catch (error) {
      if (this.#stopped) return;
      const failures = this.#failures.get(name) ?? 0;
      const retryMs = Math.min(retry.minMs * 2 ** failures, retry.maxMs);
      this.#failures.set(name, failures + 1);
      onError(name, error, retryMs);
      this.addIn(name, retryMs);
    }
  }
}
