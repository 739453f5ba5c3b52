// Addresses that are never given out, whatever a pool says, because they are somebody's already: nodes', pods', cluster
// IPs, other load balancers'. Each with who has it.
import { Address, type Family, Prefix } from "@tsilium/net";
import { contains, intersection, type IpRange, merged, rangeOf } from "./range.ts";

/** Nobody's, on every machine. */
const specialUse = [
  "0.0.0.0/8",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "224.0.0.0/4",
  "255.255.255.255/32",
  "::/127",
  "::ffff:0:0/96",
  "fe80::/10",
  "ff00::/8",
].map((text) => Prefix.parse(text));

type Singles = Map<bigint, Set<string>>;

export class ReservedAddresses {
  readonly #singles: Readonly<Record<Family, Singles>> = { 4: new Map(), 6: new Map() };
  readonly #addressesOf = new Map<string, readonly Address[]>();
  readonly #rangesOf = new Map<string, readonly IpRange[]>([
    ["special use", specialUse.map(rangeOf)],
  ]);
  #runs = this.#merge();

  /** Addresses of an owner ("node a"), in place of those it had. Answers which are newly reserved, and which no more. */
  setAddresses(
    owner: string,
    addresses: readonly Address[],
  ): { readonly added: readonly Address[]; readonly removed: readonly Address[] } {
    const before = this.#addressesOf.get(owner) ?? [];
    if (sameText(before, addresses)) return { added: [], removed: [] };
    if (addresses.length > 0) this.#addressesOf.set(owner, addresses);
    else this.#addressesOf.delete(owner);
    const known = (address: Address) => this.#singles[address.family].has(address.toBigInt());
    const added = addresses.filter((address) => !known(address));
    for (const address of addresses) this.#add(address, owner);
    const kept = new Set(addresses.map(String));
    const lost = before.filter((address) => !kept.has(address.toString()));
    for (const address of lost) this.#remove(address, owner);
    return { added, removed: lost.filter((address) => !known(address)) };
  }

  /** The same for whole prefixes. Answers whether anything changed. */
  setPrefixes(owner: string, prefixes: readonly Prefix[]): boolean {
    const ranges = prefixes.map(rangeOf);
    const before = this.#rangesOf.get(owner) ?? [];
    const same =
      before.length === ranges.length &&
      before.every(
        ({ first, last }, at) => ranges[at]?.first === first && ranges[at]?.last === last,
      );
    if (same) return false;
    if (ranges.length > 0) this.#rangesOf.set(owner, ranges);
    else this.#rangesOf.delete(owner);
    this.#runs = this.#merge();
    return true;
  }

  /** Who has an address, as "node a"; undefined: nobody. */
  ownerOf(address: Address): string | undefined {
    const [owner] = this.#singles[address.family].get(address.toBigInt()) ?? [];
    if (owner !== undefined) return owner;
    for (const [name, ranges] of this.#rangesOf)
      if (ranges.some((range) => contains(range, address))) return name;
    return undefined;
  }

  /** Whether one address is reserved by itself; `runsWithin` tells of prefixes. */
  isSingle(family: Family, number: bigint): boolean {
    return this.#singles[family].has(number);
  }

  /** All that are reserved by themselves. */
  singles(family: Family): Iterable<bigint> {
    return this.#singles[family].keys();
  }

  /** The parts of a range that prefixes reserve, in order, none touching another. */
  runsWithin(range: IpRange): IpRange[] {
    return this.#runs[range.family].flatMap((run) => intersection(run, range) ?? []);
  }

  #merge(): Readonly<Record<Family, readonly IpRange[]>> {
    const all = [...this.#rangesOf.values()].flat();
    const of = (wanted: Family) => merged(all.filter(({ family }) => family === wanted));
    return { 4: of(4), 6: of(6) };
  }

  #add(address: Address, owner: string): void {
    const singles = this.#singles[address.family];
    const owners = singles.get(address.toBigInt());
    if (owners) owners.add(owner);
    else singles.set(address.toBigInt(), new Set([owner]));
  }

  #remove(address: Address, owner: string): void {
    const singles = this.#singles[address.family];
    const owners = singles.get(address.toBigInt());
    owners?.delete(owner);
    if (owners?.size === 0) singles.delete(address.toBigInt());
  }
}

function sameText(a: readonly Address[], b: readonly Address[]): boolean {
  return a.length === b.length && a.every((address, at) => b[at]?.equals(address) === true);
}
