// The single owner of what identity an address has: every source claims here, and only winners go on to the
// kernel.
//
//   local endpoints --\
//   CiliumEndpoints ----> claims by prefix --> strongest source, latest claim --> table of winners --> kernel
//   nodes, restored --/
import { type Address, Prefix } from "@tsilium/net";
import { Table } from "@tsilium/tables";
import { compareClaims, type DatedClaim, saysTheSame, weaknessOf } from "./decide.ts";
import type { ExplainedClaim, IpcacheClaim, IpcacheRow, IpcacheSource } from "./model.ts";

export class Ipcache {
  /** The winner of each claimed prefix, keyed by the prefix's text. */
  readonly table: Table<IpcacheRow> = new Table<IpcacheRow>({
    name: "ipcache",
    key: ({ prefix }) => prefix.toString(),
    indexes: { identity: ({ identity }) => [String(identity)] },
    equals: (a, b) =>
      a.claims === b.claims && a.source === b.source && a.owner === b.owner && saysTheSame(a, b),
  });
  /** Claims by prefix text, each list in order of `compareClaims`. */
  readonly #claims = new Map<string, DatedClaim[]>();
  /** How many prefixes there are of each "family/length", so that a lookup tries only lengths in use. */
  readonly #lengths = new Map<string, number>();
  #sequence = 0;

  /**
   * Makes, or replaces, the claim of (prefix, source, owner). Saying the same again changes nothing; saying
   * something new counts as a new claim.
   */
  claim(claim: IpcacheClaim): void {
    const key = claim.prefix.toString();
    const before = this.#claims.get(key) ?? [];
    const mine = before.find((dated) => isOf(dated, claim.source, claim.owner));
    if (mine && saysTheSame(mine.claim, claim)) return;
    const others = before.filter((dated) => dated !== mine);
    this.#store(key, claim.prefix, [...others, { claim, sequence: this.#sequence++ }]);
  }

  /** Takes a claim back. False when there was none. */
  withdraw(prefix: Prefix, source: IpcacheSource, owner: string): boolean {
    const key = prefix.toString();
    const before = this.#claims.get(key) ?? [];
    const rest = before.filter((dated) => !isOf(dated, source, owner));
    if (rest.length === before.length) return false;
    this.#store(key, prefix, rest);
    return true;
  }

  /** Takes back all that one source claims ("restored", once the true sources have spoken). Answers how many. */
  withdrawSource(source: IpcacheSource): number {
    const found = [...this.#claims.values()]
      .flat()
      .filter(({ claim }) => claim.source === source)
      .map(({ claim }) => claim);
    for (const { prefix, owner } of found) this.withdraw(prefix, source, owner);
    return found.length;
  }

  /** The row that decides an address's identity: the winner of the longest claimed prefix around it. */
  lookup(address: Address): IpcacheRow | undefined {
    const [longest] = this.#prefixesAround(address);
    return longest && this.table.get(longest.toString());
  }

  /** Every claim that covers an address, the deciding one first, the weakest last. */
  explain(address: Address): ExplainedClaim[] {
    return this.#prefixesAround(address).flatMap((prefix, depth) =>
      (this.#claims.get(prefix.toString()) ?? []).map(({ claim }, place, claims) => {
        const strongest = claims[0]?.claim ?? claim;
        const beaten = place === 0 ? undefined : weaknessOf(claim, strongest);
        const lostTo = depth > 0 ? "a longer prefix" : beaten;
        return { ...claim, wins: lostTo === undefined, lostTo };
      }),
    );
  }

  /** @param key the prefix's text */
  #store(key: string, prefix: Prefix, claims: DatedClaim[]): void {
    const sorted = claims.sort(compareClaims);
    const [winner] = sorted;
    if (!winner) {
      this.#claims.delete(key);
      this.#countLength(prefix, -1);
      this.table.delete(key);
      return;
    }
    if (!this.#claims.has(key)) this.#countLength(prefix, 1);
    this.#claims.set(key, sorted);
    this.table.upsert({ ...winner.claim, claims: sorted.length });
  }

  #countLength({ family, length }: Prefix, change: 1 | -1): void {
    const key = `${family}/${length}`;
    const count = (this.#lengths.get(key) ?? 0) + change;
    if (count > 0) this.#lengths.set(key, count);
    else this.#lengths.delete(key);
  }

  /** Claimed prefixes that hold the address, longest first. */
  #prefixesAround(address: Address): Prefix[] {
    const lengths = [...this.#lengths.keys()]
      .map((key) => key.split("/").map(Number) as [number, number])
      .filter(([family]) => family === address.family)
      .map(([, length]) => length)
      .sort((a, b) => b - a);
    return lengths
      .map((length) => Prefix.of(address, length, { mask: true }))
      .filter((prefix) => this.#claims.has(prefix.toString()));
  }
}

function isOf({ claim }: DatedClaim, source: IpcacheSource, owner: string): boolean {
  return claim.source === source && claim.owner === owner;
}
