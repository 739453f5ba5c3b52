// Ranges as an earlier agent had them, on disk: an agent that comes back hands out addresses before it hears from the
// API server, and never one that it does not know to be its own.
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { Prefix } from "@tsilium/net";

/** By pool. */
export type PoolRanges = ReadonlyMap<string, readonly Prefix[]>;

export class RangesFile {
  readonly #path: string;
  readonly #mode: string;
  #written = "";

  constructor(path: string, mode: string) {
    this.#path = path;
    this.#mode = mode;
  }

  /** Writes the ranges, whole or not at all; nothing when they are there already. */
  save(ranges: PoolRanges): void {
    const text = JSON.stringify({ mode: this.#mode, pools: Object.fromEntries(ranges) });
    if (text === this.#written) return;
    writeFileSync(`${this.#path}.draft`, text, { mode: 0o600 });
    renameSync(`${this.#path}.draft`, this.#path);
    this.#written = text;
  }

  /** What was saved in this mode; empty when there is nothing that can be read. */
  load(): PoolRanges {
    try {
      const saved = JSON.parse(readFileSync(this.#path, "utf8")) as Record<string, unknown>;
      const pools = saved["pools"];
      if (saved["mode"] !== this.#mode || typeof pools !== "object" || !pools) return new Map();
      return new Map(
        Object.entries(pools).map(([pool, texts]) => [
          pool,
          (texts as unknown[]).map((text) => Prefix.parse(String(text))),
        ]),
      );
    } catch {
      return new Map();
    }
  }
}
