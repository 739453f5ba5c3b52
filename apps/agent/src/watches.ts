// The agent's watches on the API server: how far each has come, and whether it can be believed.
import { Table } from "@tsilium/tables";
import {
  type KubeClient,
  type KubeObject,
  type ObservedOptions,
  reflectObserved,
  type Resource,
  type WatchObserver,
} from "@tsilium/kube";
import type { Logger, PartHealth } from "@tsilium/runtime";

export type WatchState = {
  readonly name: string;
  readonly synced: boolean;
  /** The resource version up to which everything was handed over; "" before the first list. */
  readonly resourceVersion: string;
  /** Since when the API server has not answered; undefined while it does. */
  readonly failingSince: number | undefined;
  readonly lastError: string | undefined;
  readonly events: number;
};

/** A watch that went without an answer for this long is worth a warning in the log and in the health. */
const patienceMs = 5_000;

export class Watches {
  /** One row per watch. Others wait on its changes (the barrier does). */
  readonly table: Table<WatchState> = new Table<WatchState>({
    name: "watches",
    key: ({ name }) => name,
  });
  readonly #client: KubeClient;
  readonly #log: Logger;
  readonly #running: Promise<void>[] = [];

  constructor(client: KubeClient, log: Logger) {
    this.#client = client;
    this.#log = log;
  }

  /**
   * Starts a watch under a name. Resolves when its first list has been handed over.
   * @throws the signal's reason when it aborts first.
   */
  async start<T extends KubeObject>(
    name: string,
    resource: Resource<T>,
    options: ObservedOptions<T>,
  ): Promise<void> {
    const observer = this.observe(name);
    const { synced, done } = reflectObserved(this.#client, resource, { ...options, observer });
    this.#running.push(done);
    await synced;
  }

  /** The observer by which a watch that runs elsewhere reports here. */
  observe(name: string): WatchObserver {
    this.table.upsert({
      name,
      synced: false,
      resourceVersion: "",
      failingSince: undefined,
      lastError: undefined,
      events: 0,
    });
    const change = (fields: Partial<WatchState>) => {
      const row = this.table.get(name);
      if (row) this.table.upsert({ ...row, ...fields });
    };
    return {
      // Counted without an announcement each: the progress that follows tells.
      event: () => change({ events: (this.table.get(name)?.events ?? 0) + 1 }),
      synced: () => change({ synced: true, failingSince: undefined }),
      progress: (resourceVersion) =>
        change({ resourceVersion, synced: true, failingSince: undefined }),
      onError: (error) => this.#failed(name, error),
    };
  }

  /** Nobody waits for this watch any more: its signal has ended it. */
  forget(name: string): void {
    this.table.delete(name);
  }

  health(): PartHealth[] {
    return [...this.table.values()].map((watch) => {
      const name = `watch ${watch.name}`;
      if (watch.failingSince !== undefined && Date.now() - watch.failingSince > patienceMs) {
        const since = new Date(watch.failingSince).toISOString();
        return { name, state: "degraded", message: `failing since ${since}: ${watch.lastError}` };
      }
      return watch.synced
        ? { name, state: "ok", message: `at resource version ${watch.resourceVersion}` }
        : { name, state: "degraded", message: watch.lastError ?? "waiting for the first list" };
    });
  }

  /** Resolves when every watch has ended; their signals say when. */
  async ended(): Promise<void> {
    await Promise.all(this.#running);
  }

  #failed(name: string, error: unknown): void {
    const before = this.table.get(name);
    if (!before) return;
    const lastError = (error as Error).message;
    // A watch that the server ends or that must list again is no news; one that keeps failing is.
    if (before.failingSince === undefined)
      this.#log.debug({ watch: name, error }, "a watch was interrupted");
    else if (lastError !== before.lastError)
      this.#log.warn({ watch: name, error }, "a watch fails");
    this.table.upsert({ ...before, lastError, failingSince: before.failingSince ?? Date.now() });
  }
}
