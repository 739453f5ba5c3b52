// Answers "is everything that was true at this resource version in the kernel now?" by waiting: first for
// the watches to have come that far, then for each stage behind them to have worked off what it had.
import type { Watches } from "./watches.ts";

/** Something between a watch and the kernel. Stages are waited for in order, upstream first. */
export type Stage = {
  readonly name: string;
  /** Resolves when everything known at the call is done; rejects with the signal's reason. */
  settled(signal: AbortSignal): Promise<void>;
  /** What is still to be done, as a sentence; undefined when nothing is. */
  lag(): string | undefined;
};

export type Lag = { readonly name: string; readonly message: string };

export class Barrier {
  readonly #watches: Watches;
  readonly #stages: readonly Stage[];

  constructor(watches: Watches, stages: readonly Stage[]) {
    this.#watches = watches;
    this.#stages = stages;
  }

  /** Waits; answers what lags when the signal aborts first, nothing when all is done. */
  async pass(resourceVersion: bigint, signal: AbortSignal): Promise<Lag[]> {
    try {
      await this.#watchesReach(resourceVersion, signal);
      for (const stage of this.#stages) await stage.settled(signal);
      return [];
    } catch (error) {
      if (!signal.aborted) throw error;
      const lags = this.#lags(resourceVersion);
      // Everything may have arrived in the very moment the patience ended.
      return lags;
    }
  }

  #lags(resourceVersion: bigint): Lag[] {
    const behind = [...this.#watches.table.values()]
      .filter((watch) => !hasReached(watch.resourceVersion, resourceVersion))
      .map((watch) => ({
        name: `watch ${watch.name}`,
        message: `at resource version ${watch.resourceVersion || "none"}, not ${resourceVersion}${watch.lastError === undefined ? "" : ` (${watch.lastError})`}`,
      }));
    const busy = this.#stages.flatMap((stage) => {
      const message = stage.lag();
      return message === undefined ? [] : [{ name: stage.name, message }];
    });
    return [...behind, ...busy];
  }

  #watchesReach(resourceVersion: bigint, signal: AbortSignal): Promise<void> {
    const { table } = this.#watches;
    const reached = () =>
      [...table.values()].every((watch) => hasReached(watch.resourceVersion, resourceVersion));
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      if (reached()) return resolve();
      const finish = () => {
        subscription[Symbol.dispose]();
        signal.removeEventListener("abort", fail);
      };
      const fail = () => {
        finish();
        reject(signal.reason as Error);
      };
      const subscription = table.subscribe(() => {
        if (!reached()) return;
        finish();
        resolve();
      });
      signal.addEventListener("abort", fail, { once: true });
    });
  }
}

/** Resource versions are numbers that only grow, as Kubernetes guarantees since 1.35 and etcd always had it. */
function hasReached(seen: string, wanted: bigint): boolean {
  return /^[0-9]+$/.test(seen) && BigInt(seen) >= wanted;
}
