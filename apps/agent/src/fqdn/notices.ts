// Says once about each address what an operator may want to know of it: refused, or shared between names.
import type { NameBook } from "@tsilium/fqdn";
import type { Logger } from "@tsilium/runtime";
import type { FqdnCounters } from "./counters.ts";

/** Addresses that are remembered as told. Whoever answers for a name may make any number of them. */
const mostRemembered = 4096;
/** Lines about one kind of thing in a minute. */
const mostLines = 10;

export class Notices {
  readonly #log: Logger;
  readonly #counters: FqdnCounters;
  readonly #refused = new Set<string>();
  readonly #shared = new Set<string>();
  #lines = 0;
  #held = 0;

  constructor(log: Logger, counters: FqdnCounters) {
    this.#log = log;
    this.#counters = counters;
  }

  /** Tells what of these addresses is new. */
  note(book: Pick<NameBook, "refused" | "shared">, addresses: Iterable<string>): void {
    const { refused } = this.#counters;
    for (const address of addresses) {
      const refusal = book.refused.get(address);
      if (refusal && remember(this.#refused, `${address} ${refusal.reason}`)) {
        refused.set(refusal.reason, (refused.get(refusal.reason) ?? 0) + 1);
        this.#warn(refusal, "a name's address is refused: nothing is allowed by it");
      }
      const shared = book.shared.get(address);
      if (shared && remember(this.#shared, address))
        this.#warn(
          shared,
          "an address serves a name that policy allows and one that it does not: both are reached by it",
        );
    }
  }

  /** To be called every minute. */
  tick(): void {
    if (this.#held > 0)
      this.#log.warn(
        { held: this.#held },
        "more addresses were refused or shared: `tsilium fqdn names`",
      );
    this.#lines = 0;
    this.#held = 0;
  }

  #warn(facts: object, message: string): void {
    if (this.#lines++ < mostLines) this.#log.warn(facts, message);
    else this.#held++;
  }
}

/** False when it was known. */
function remember(known: Set<string>, key: string): boolean {
  if (known.has(key)) return false;
  if (known.size >= mostRemembered) known.clear();
  known.add(key);
  return true;
}
