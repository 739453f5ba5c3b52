// What a reconciler still has to do: rows waiting their turn, the one under way, failures waiting for their
// retry, and the prune, which comes after all rows.

/** One piece of work. A row's item carries the row as last seen, which a delete needs when the table forgot it. */
export type Work<Row> =
  | { readonly kind: "row"; readonly key: string; readonly row: Row }
  | { readonly kind: "prune" };

export type RetryDelays = { readonly minMs: number; readonly maxMs: number };

export type FailureReport = {
  readonly key: string;
  readonly error: string;
  readonly attempts: number;
};

type Failure = {
  readonly error: string;
  readonly attempts: number;
  readonly timer: NodeJS.Timeout;
};

/** Identifies work among rows and the prune: rows are prefixed, so that no row's key can be taken for the prune. */
export function workId(work: { kind: "row"; key: string } | { kind: "prune" }): string {
  return work.kind === "row" ? `row ${work.key}` : "prune";
}

/** The book of outstanding work. Calls `ready` when there is something to take; does nothing by itself. */
export class Backlog<Row> implements Disposable {
  readonly #delays: RetryDelays;
  readonly #ready: () => void;
  readonly #waiting = new Map<string, Work<Row>>();
  readonly #failures = new Map<string, Failure>();
  #underWay: string | undefined;

  constructor(delays: RetryDelays, ready: () => void) {
    this.#delays = delays;
    this.#ready = ready;
  }

  /** Adds work at the end of the queue. An earlier failure of it no longer delays it: a change deserves an attempt. */
  add(work: Work<Row>): void {
    const id = workId(work);
    clearTimeout(this.#failures.get(id)?.timer);
    this.#waiting.delete(id);
    this.#waiting.set(id, work);
    this.#ready();
  }

  /** The next work, rows first; it is under way until `succeeded` or `failed`. */
  take(): Work<Row> | undefined {
    for (const [id, work] of this.#waiting) {
      if (work.kind === "prune" && this.#waiting.size > 1) continue;
      this.#waiting.delete(id);
      this.#underWay = id;
      return work;
    }
    return undefined;
  }

  succeeded(work: Work<Row>): void {
    this.#underWay = undefined;
    this.#failures.delete(workId(work));
  }

  /** Notes the failure and brings the work back after a delay that doubles with each; answers that delay. */
  failed(work: Work<Row>, error: string): { readonly attempts: number; readonly delayMs: number } {
    const id = workId(work);
    this.#underWay = undefined;
    const attempts = (this.#failures.get(id)?.attempts ?? 0) + 1;
    const delayMs = Math.min(this.#delays.minMs * 2 ** (attempts - 1), this.#delays.maxMs);
    const again = () => {
      if (!this.#waiting.has(id)) this.add(work);
    };
    this.#failures.set(id, { error, attempts, timer: setTimeout(again, delayMs) });
    return { attempts, delayMs };
  }

  /** Whether the work is not done: waiting, under way or failing. */
  has(id: string): boolean {
    return this.#waiting.has(id) || this.#failures.has(id) || this.#underWay === id;
  }

  /** The ids of all that is not done. */
  outstanding(): Set<string> {
    const ids = new Set([...this.#waiting.keys(), ...this.#failures.keys()]);
    return this.#underWay === undefined ? ids : ids.add(this.#underWay);
  }

  /** How much is not done and has not failed either. */
  get pending(): number {
    return this.outstanding().size - this.#failures.size;
  }

  get failures(): FailureReport[] {
    return [...this.#failures].map(([id, { error, attempts }]) => ({
      key: id.replace(/^row /, ""),
      error,
      attempts,
    }));
  }

  [Symbol.dispose](): void {
    for (const { timer } of this.#failures.values()) clearTimeout(timer);
  }
}
