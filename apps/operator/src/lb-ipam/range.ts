// Runs of addresses, as the blocks of pools are: interval arithmetic, whatever their size. Pure.
import { Address, bitsOf, type Family, Prefix } from "@tsilium/net";

/** All addresses of a family from first to last, both included. */
export type IpRange = { readonly family: Family; readonly first: bigint; readonly last: bigint };

export function rangeOf(prefix: Prefix): IpRange {
  const first = prefix.first.toBigInt();
  return { family: prefix.family, first, last: first + prefix.size - 1n };
}

export function contains({ family, first, last }: IpRange, address: Address): boolean {
  const number = address.family === family ? address.toBigInt() : -1n;
  return number >= first && number <= last;
}

export function overlap(a: IpRange, b: IpRange): boolean {
  return a.family === b.family && a.first <= b.last && b.first <= a.last;
}

export function sizeOf({ first, last }: IpRange): bigint {
  return last < first ? 0n : last - first + 1n;
}

/** What is in both; undefined when nothing is. */
export function intersection(a: IpRange, b: IpRange): IpRange | undefined {
  if (!overlap(a, b)) return undefined;
  return {
    family: a.family,
    first: a.first > b.first ? a.first : b.first,
    last: a.last < b.last ? a.last : b.last,
  };
}

/** The same addresses as runs that neither touch nor overlap, in order; of one family. */
export function merged(ranges: readonly IpRange[]): IpRange[] {
  const sorted = ranges.toSorted((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0));
  const runs: IpRange[] = [];
  for (const range of sorted) {
    const before = runs.at(-1);
    if (!before || range.first > before.last + 1n) runs.push(range);
    else if (range.last > before.last) runs[runs.length - 1] = { ...before, last: range.last };
  }
  return runs;
}

/** The fewest prefixes that hold these addresses and no other. */
export function prefixesOf({ family, first, last }: IpRange): Prefix[] {
  const bits = bitsOf(family);
  const prefixes: Prefix[] = [];
  for (let start = first; start <= last;) {
    let length = bits;
    // As wide as its start is aligned and as there are addresses left.
    for (let size = 2n; length > 0 && start % size === 0n && start + size - 1n <= last; size *= 2n)
      length -= 1;
    prefixes.push(Prefix.of(Address.fromBigInt(start, family), length));
    start += 1n << BigInt(bits - length);
  }
  return prefixes;
}

/** "10.0.0.1 - 10.0.0.9" */
export function rangeText({ family, first, last }: IpRange): string {
  return [first, last].map((number) => Address.fromBigInt(number, family)).join(" - ");
}
