// The slow twin of the book of names: one list, searched from end to end for every question.
import { Address, compileDnsPattern, normalizeDnsName } from "@tsilium/net";
import type { CacheLimits, FqdnSelector, Lookup } from "../model.ts";

type Row = {
  readonly endpoint: number;
  readonly name: string;
  readonly address: string;
  lookedUpMs: number;
  expiresMs: number;
  connected: boolean;
  quietSinceMs: number | undefined;
};

export class TwinBook {
  rows: Row[] = [];
  selectors: readonly FqdnSelector[] = [];
  refused: ReadonlySet<string> = new Set();
  readonly #limits: CacheLimits;

  constructor(limits: CacheLimits) {
    this.#limits = limits;
  }

  observe({ endpoint, name, aliases, addresses, atMs }: Lookup, nowMs: number): void {
    for (const known of new Set([name, ...aliases])) {
      for (const { address, ttlS } of addresses.slice(0, this.#limits.addressesPerName)) {
        const text = address.toString();
        const expiresMs = atMs + Math.max(ttlS, this.#limits.minTtlS) * 1000;
        const row = this.rows.find(
          (other) => other.endpoint === endpoint && other.name === known && other.address === text,
        );
        if (row) {
          row.expiresMs = Math.max(row.expiresMs, expiresMs);
          row.lookedUpMs = Math.max(row.lookedUpMs, atMs);
          row.connected = false;
          row.quietSinceMs = undefined;
        } else
          this.rows.push({
            endpoint,
            name: known,
            address: text,
            lookedUpMs: atMs,
            expiresMs,
            connected: false,
            quietSinceMs: undefined,
          });
      }
      for (;;) {
        const valid = this.rows.filter(
          (row) => row.endpoint === endpoint && row.name === known && row.expiresMs > nowMs,
        );
        if (valid.length <= this.#limits.addressesPerName) break;
        oldest(valid).expiresMs = nowMs;
      }
    }
  }

  collect(nowMs: number, connected: ReadonlySet<string>, graceMs: number): void {
    for (const row of this.rows) {
      const isOver = row.expiresMs <= nowMs;
      row.connected = isOver && connected.has(row.address);
      if (!isOver || row.connected) row.quietSinceMs = undefined;
      else row.quietSinceMs ??= nowMs;
    }
    this.rows = this.rows.filter(
      ({ quietSinceMs }) => quietSinceMs === undefined || nowMs - quietSinceMs < graceMs,
    );
    for (const endpoint of new Set(this.rows.map((row) => row.endpoint)))
      for (;;) {
        const deferred = this.rows.filter(
          (row) => row.endpoint === endpoint && row.expiresMs <= nowMs,
        );
        if (deferred.length <= this.#limits.deferredPerEndpoint) break;
        const quiet = deferred.filter((row) => !row.connected);
        const victim = oldest(quiet.length > 0 ? quiet : deferred);
        this.rows = this.rows.filter((row) => row !== victim);
      }
  }

  /** "203.0.113.1: *.a.test b.test", for every address with a selector, sorted. */
  show(): string[] {
    const lines: string[] = [];
    for (const address of new Set(this.rows.map((row) => row.address))) {
      const names = this.rows.filter((row) => row.address === address).map(({ name }) => name);
      const keys = this.selectors
        .filter((selector) => names.some(compileDnsPattern(selector)))
        .map(({ matchName, matchPattern }) => normalizeDnsName(matchName ?? matchPattern ?? ""));
      if (keys.length > 0 && !this.refused.has(address))
        lines.push(`${Address.parse(address)}: ${[...new Set(keys)].sort().join(" ")}`);
    }
    return lines.sort();
  }
}

function oldest(rows: readonly Row[]): Row {
  const text = (row: Row) => `${row.name} ${row.address}`;
  const age = (a: Row, b: Row) =>
    a.lookedUpMs - b.lookedUpMs || a.expiresMs - b.expiresMs || (text(a) < text(b) ? -1 : 1);
  return rows.toSorted(age)[0] as Row;
}
