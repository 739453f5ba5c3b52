// Rules by the peers that they name, and how a peer is found to be one of them: by a selector, or by a prefix. Many rules
// name the same peers; what a peer is to a slot is a set of such parties, not of rules.
import type { Prefix } from "@tsilium/net";
import type { LabelSelector } from "../model.ts";
import type { NamedMatch, ResolvedCidr, ResolvedPeers } from "./resolve.ts";

/** Rules that name the same peers. */
export type Party = {
  readonly ranks: readonly number[];
  readonly peers: ResolvedPeers;
  /** Port names that its rules use, of peers. */
  readonly names: ReadonlySet<string>;
};

export type SelectorUse = {
  readonly selector: LabelSelector;
  readonly parties: readonly number[];
};

/** A party that addresses of a prefix belong to, but for the exceptions. */
export type CidrUse = {
  readonly party: number;
  readonly scope: ResolvedCidr["scope"];
  /** Texts of prefixes. */
  readonly except: ReadonlySet<string>;
};

export type PrefixUse = {
  readonly prefix: Prefix;
  /** None, when it is only an exception. */
  readonly uses: readonly CidrUse[];
};

export type Grouping = {
  /** Ranks of the rules that name no peer. */
  readonly everybody: readonly number[];
  readonly parties: readonly Party[];
  /** By their key. */
  readonly selectors: ReadonlyMap<string, SelectorUse>;
  /** By their text. */
  readonly prefixes: ReadonlyMap<string, PrefixUse>;
  /** Port names that rules use, of peers: of rules about everybody, of those about addresses, of any. */
  readonly names: Readonly<Record<"everybody" | "addresses" | "all", ReadonlySet<string>>>;
};

/** `peers` and `rules` by rank. */
export function groupByPeers(
  peers: readonly (ResolvedPeers | undefined)[],
  rules: readonly { readonly named: readonly NamedMatch[] }[],
): Grouping {
  const namesOf = (ranks: readonly number[]) =>
    new Set(ranks.flatMap((rank) => rules[rank]?.named.map(portName) ?? []));
  const everybody: number[] = [];
  const groups = new Map<string, { readonly peers: ResolvedPeers; readonly ranks: number[] }>();
  for (const [rank, one] of peers.entries()) {
    if (!one) everybody.push(rank);
    else entry(groups, one.key, () => ({ peers: one, ranks: [] })).ranks.push(rank);
  }
  const parties = [...groups.values()].map((group) => ({ ...group, names: namesOf(group.ranks) }));
  const byAddress = parties.filter((party) => party.peers.cidrs.length > 0);
  return {
    everybody,
    parties,
    selectors: selectorUses(parties),
    prefixes: prefixUses(parties),
    names: {
      everybody: namesOf(everybody),
      addresses: namesOf(byAddress.flatMap(({ ranks }) => ranks)),
      all: namesOf([...peers.keys()]),
    },
  };
}

/** A key for maps. */
export function portName({ protocol, name }: NamedMatch): string {
  return `${protocol}/${name}`;
}

function selectorUses(parties: readonly Party[]): ReadonlyMap<string, SelectorUse> {
  const uses = new Map<string, { readonly selector: LabelSelector; readonly parties: number[] }>();
  for (const [party, { peers }] of parties.entries())
    for (const { key, selector } of peers.selectors)
      entry(uses, key, () => ({ selector, parties: [] })).parties.push(party);
  return uses;
}

function prefixUses(parties: readonly Party[]): ReadonlyMap<string, PrefixUse> {
  const uses = new Map<string, { readonly prefix: Prefix; readonly uses: CidrUse[] }>();
  const of = (prefix: Prefix, text: string) => entry(uses, text, () => ({ prefix, uses: [] }));
  for (const [party, { peers }] of parties.entries())
    for (const { prefix, scope, except } of peers.cidrs) {
      const holes = except.map(String);
      of(prefix, prefix.toString()).uses.push({ party, scope, except: new Set(holes) });
      for (const [index, hole] of except.entries()) of(hole, holes[index] as string);
    }
  return uses;
}

function entry<Value>(map: Map<string, Value>, key: string, make: () => Value): Value {
  let value = map.get(key);
  if (value === undefined) map.set(key, (value = make()));
  return value;
}
