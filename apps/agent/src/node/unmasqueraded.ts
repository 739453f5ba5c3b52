// Destinations that are not masqueraded, from two sources in one kernel table: what ip-masq-agent's file says, and where the
// IPAM mode's addresses are known.
import type { Prefix } from "@tsilium/net";

export class Unmasqueraded {
  readonly #table: { setExempt(prefixes: Iterable<Prefix>): void };
  #configured: readonly Prefix[] = [];
  #podRanges: readonly Prefix[];

  /** Writes nothing before it is told of one of them. */
  constructor(
    table: { setExempt(prefixes: Iterable<Prefix>): void },
    podRanges: readonly Prefix[],
  ) {
    this.#table = table;
    this.#podRanges = podRanges;
  }

  /** What the file says. @throws BpfError */
  setExempt(prefixes: Iterable<Prefix>): void {
    this.#configured = [...prefixes];
    this.#write();
  }

  /** Idempotent. @throws BpfError */
  setPodRanges(ranges: readonly Prefix[]): void {
    if (ranges.join() === this.#podRanges.join()) return;
    this.#podRanges = ranges;
    this.#write();
  }

  #write(): void {
    this.#table.setExempt([...this.#configured, ...this.#podRanges]);
  }
}
