// How a watch on the API server is doing, for /healthz.
import type { PartHealth } from "@tsilium/runtime";

/** A watch that fails is tried again within seconds: with no new error for this long it works again. */
const quietMs = 15_000;

/** How a watch is doing: failed once the API server has not answered for longer than its patience. */
export class WatchHealth {
  readonly #name: string;
  readonly #patienceMs: number;
  #errors: { readonly firstMs: number; readonly lastMs: number; readonly text: string } | undefined;

  constructor(name: string, patienceMs = 30_000) {
    this.#name = name;
    this.#patienceMs = patienceMs;
  }

  readonly progress = (): void => {
    this.#errors = undefined;
  };

  readonly onError = (error: unknown): void => {
    const now = Date.now();
    const goesOn = this.#errors !== undefined && now - this.#errors.lastMs < quietMs;
    const firstMs = goesOn ? (this.#errors?.firstMs ?? now) : now;
    this.#errors = { firstMs, lastMs: now, text: (error as Error).message };
  };

  part(): PartHealth {
    const name = `watch ${this.#name}`;
    const errors = this.#errors;
    if (!errors || Date.now() - errors.lastMs >= quietMs)
      return { name, state: "ok", message: "in step" };
    const patient = Date.now() - errors.firstMs < this.#patienceMs;
    return { name, state: patient ? "degraded" : "failed", message: errors.text };
  }
}
