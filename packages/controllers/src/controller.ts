// What every controller is: watches that put keys into a queue, and a `reconcile` that makes the world right
// for one key. Idempotent, and tried again until it succeeds.
import type { Context } from "./context.ts";
import { WorkQueue } from "./work-queue.ts";

export abstract class Controller {
  protected readonly context: Context;
  protected readonly queue: WorkQueue;

  /** @param options the name under which failures are logged; `concurrency`: keys at the same time */
  constructor(context: Context, options: { readonly name: string; readonly concurrency?: number }) {
    const { name, ...limits } = options;
    this.context = context;
    this.queue = new WorkQueue({
      ...limits,
      reconcile: (key) => this.reconcile(key),
      onError: (key, error) => {
        if (!context.signal.aborted) context.log.warn({ error, controller: name, key }, "retrying");
      },
    });
  }

  /** Begins, once every cache is full. */
  start(): void {
    this.watch();
    this.queue.start();
  }

  /** Takes nothing more; resolves when what is under way has ended. */
  async stop(): Promise<void> {
    await this.queue.stop();
  }

  /** Subscribes to what adds keys to the queue. */
  protected abstract watch(): void;

  /** Makes the world right for one key. A throw is a retry. */
  protected abstract reconcile(key: string): Promise<void>;
}
