// Removes what has expired from the conntrack and masquerading tables, as often as it is worth it.
import type { Logger } from "@tsilium/runtime";

export type Sweep = { readonly deleted: number; readonly alive: number };
export type SweptTable = {
  /** "conntrack", "nat" */
  readonly name: string;
  readonly sweep: (signal: AbortSignal) => Promise<Sweep>;
};
export type SweepReport = Sweep & { readonly table: string; readonly durationMs: number };

export type SweeperOptions = {
  readonly tables: readonly SweptTable[];
  /** Time between sweeps; 0: as much as the last sweep found suggests. */
  readonly intervalMs: number;
  readonly log: Logger;
  readonly onSweep?: (report: SweepReport) => void;
};

const firstIntervalMs = 60_000;
const leastIntervalMs = 10_000;
const mostIntervalMs = 30 * 60_000;

export class Sweeper implements Disposable {
  readonly #options: SweeperOptions;
  #intervalMs: number;
  readonly #abort = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #lastError: string | undefined;
  #lastReports: readonly SweepReport[] = [];

  constructor(options: SweeperOptions) {
    this.#options = options;
    this.#intervalMs = options.intervalMs || firstIntervalMs;
  }

  start(): void {
    this.#timer = setTimeout(() => void this.#run(), this.#intervalMs).unref();
  }

  [Symbol.dispose](): void {
    this.#abort.abort();
    clearTimeout(this.#timer);
  }

  /** What the last sweep did and when the next one is. */
  status(): { reports: readonly SweepReport[]; intervalMs: number; error: string | undefined } {
    return { reports: this.#lastReports, intervalMs: this.#intervalMs, error: this.#lastError };
  }

  async #run(): Promise<void> {
    const { intervalMs, log } = this.#options;
    const { signal } = this.#abort;
    try {
      this.#lastReports = await this.#sweepAll(signal);
      this.#lastError = undefined;
      if (intervalMs === 0) this.#intervalMs = nextInterval(this.#intervalMs, this.#lastReports);
    } catch (error) {
      if (signal.aborted) return;
      this.#lastError = (error as Error).message;
      log.warn({ error }, "a sweep failed");
    }
    if (!signal.aborted) this.start();
  }

  async #sweepAll(signal: AbortSignal): Promise<SweepReport[]> {
    const reports: SweepReport[] = [];
    for (const { name, sweep } of this.#options.tables) {
      const startedAt = performance.now();
      const swept = await sweep(signal);
      const report = { table: name, ...swept, durationMs: performance.now() - startedAt };
      reports.push(report);
      this.#options.onSweep?.(report);
    }
    return reports;
  }
}

/**
 * Sooner when more than a quarter had expired, later when less than a twentieth had: the tables then carry
 * little that is dead, at the cost of few sweeps that find nothing.
 */
export function nextInterval(intervalMs: number, sweeps: readonly Sweep[]): number {
  const share = Math.max(
    ...sweeps.map(({ deleted, alive }) => deleted / Math.max(deleted + alive, 1)),
  );
  const factor = share > 0.25 ? 1 - share : share < 0.05 ? 1.5 : 1;
  return Math.round(Math.min(Math.max(intervalMs * factor, leastIntervalMs), mostIntervalMs));
}
