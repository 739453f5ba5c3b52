// Larger tables for services, while everything runs: when one refuses entries, and before that when one is nearly full.
import { DatapathError, type TableUsage } from "@tsilium/datapath";
import type { Logger } from "@tsilium/runtime";

export type TableGrowthOptions = {
  readonly usage: () => readonly TableUsage[];
  /** Gives each table room for so many entries (bpf-lb-map-max). False: they have it. @throws Error when it cannot be */
  readonly grow: (mapMax: number) => boolean;
  readonly log: Logger;
};

/** Share of a table that may be in use before it is made larger. */
const fullShare = 0.9;
/** Entries, as many as bpf-lb-map-max may ask for. */
const mostEntries = 16_777_216;
/** After a failure it is left alone for so long: an attempt loads all programs. */
const pauseMs = 60_000;

export class TableGrowth {
  readonly #options: TableGrowthOptions;
  #failedMs = -Infinity;

  constructor(options: TableGrowthOptions) {
    this.#options = options;
  }

  /** Makes room when an error says that a table is full. False: it says something else, or there is no more. */
  onError(error: unknown): boolean {
    return error instanceof DatapathError && error.code === "map_full" && this.#enlarge();
  }

  /** Makes room when a table is nearly full. */
  beforehand(): void {
    const isTight = ({ entries, maxEntries }: TableUsage) => entries > maxEntries * fullShare;
    if (this.#options.usage().some(isTight)) this.#enlarge();
  }

  #enlarge(): boolean {
    const { usage, grow, log } = this.#options;
    const fullest = usage().toSorted((a, b) => share(b) - share(a))[0];
    if (!fullest || performance.now() - this.#failedMs < pauseMs) return false;
    const mapMax = Math.min(2 * mapMaxOf(fullest), mostEntries);
    try {
      if (grow(mapMax)) return true;
    } catch (error) {
      log.error({ mapMax, error }, "services' tables cannot be made larger");
    }
    this.#failedMs = performance.now();
    return false;
  }
}

/** What bpf-lb-map-max would give a table its size: there are twice as many slots. */
function mapMaxOf({ map, maxEntries }: TableUsage): number {
  return map === "tsi_lb_slot" ? Math.ceil(maxEntries / 2) : maxEntries;
}

function share({ entries, maxEntries }: TableUsage): number {
  return entries / maxEntries;
}
