// Whom a service lets in: loadBalancerSourceRanges as prefixes that the kernel can be asked for.
import { type Family, Prefix } from "@tsilium/net";
import { Address } from "@tsilium/net";

const everything: Readonly<Record<Family, Prefix>> = {
  4: Prefix.of(Address.fromBigInt(0n, 4), 0),
  6: Prefix.of(Address.fromBigInt(0n, 6), 0),
};

/** The family's prefixes, none inside another. */
export function allowedRanges(ranges: readonly Prefix[], family: Family): Prefix[] {
  return withoutCovered(ranges.filter((prefix) => prefix.family === family));
}

/** All of the family but these, as the fewest prefixes. */
export function rangesBut(denied: readonly Prefix[], family: Family): Prefix[] {
  return complement(everything[family], allowedRanges(denied, family));
}

/** What is left of a block without the prefixes inside it: halves that none of them touches. */
function complement(block: Prefix, inside: readonly Prefix[]): Prefix[] {
  if (inside.length === 0) return [block];
  if (inside.some((prefix) => prefix.equals(block))) return [];
  return [...block.subnets(block.length + 1)].flatMap((half) =>
    complement(
      half,
      inside.filter((prefix) => half.contains(prefix)),
    ),
  );
}

function withoutCovered(ranges: readonly Prefix[]): Prefix[] {
  const kept: Prefix[] = [];
  // Sorted, what covers a prefix comes right before those it covers.
  for (const prefix of ranges.toSorted((a, b) => a.compare(b)))
    if (!kept.at(-1)?.contains(prefix)) kept.push(prefix);
  return kept;
}
