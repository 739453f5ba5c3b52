// Whether the operator does its work, for /healthz.
import type { ReconcilerStatus } from "@tsilium/tables";

/** degraded: something waits or is tried again, which restarting the operator would not change. */
export type HealthState = "ok" | "degraded" | "failed";

export type PartHealth = {
  readonly name: string;
  readonly state: HealthState;
  readonly message: string;
};

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

/** What a reconciler cannot do now it tries again; work in hand is no illness. */
export function reconcilerHealth(name: string, status: ReconcilerStatus): PartHealth {
  const [first] = status.failing;
  if (first) return { name, state: "degraded", message: `${first.key}: ${first.error}` };
  return { name, state: "ok", message: `${status.pending} waiting` };
}
