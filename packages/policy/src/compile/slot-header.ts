// What is said of a slot as a whole. It must hold for peers that nobody has heard of yet: a live slot learns peers, and
// its header stays as it is.
import { tiers } from "../model.ts";
import { type Decider, type Decision, nothing } from "./decider.ts";
import type { Grouping } from "./grouping.ts";
import type { PlannedRule, SlotRequest } from "./plan.ts";
import type { ResolvedCidr, ResolvedPeers } from "./resolve.ts";
import { lengthOf, portBits } from "./port-cuts.ts";

export type SlotHeader = {
  /** What no rule decides. */
  readonly otherwise: Decision;
  readonly portLengths: readonly number[];
  /** Some rule is about the addresses of peers, whoever they are. */
  readonly looksAtAll: boolean;
  /** Some rule is about addresses outside the cluster only. */
  readonly looksAtExternal: boolean;
  /** Some peer that is known may be treated worse than one that is not. */
  readonly knownPeersOnly: boolean;
};

type Parts = {
  readonly request: SlotRequest;
  readonly rules: readonly PlannedRule[];
  readonly grouping: Grouping;
  readonly decider: Decider;
};

export function slotHeader(parts: Parts): SlotHeader {
  const { rules, decider } = parts;
  const { parties } = parts.grouping;
  return {
    otherwise: decider.decide(nothing),
    portLengths: portLengths(rules),
    looksAtAll: parties.some(({ peers }) => hasScope(peers, "any")),
    looksAtExternal: parties.some(({ peers }) => hasScope(peers, "external")),
    knownPeersOnly: mayFavourStrangers(parts),
  };
}

/** Of entries of one protocol: that of any protocol is looked up whatever these are. */
function portLengths(rules: readonly PlannedRule[]): number[] {
  const lengths = new Set<number>();
  for (const { cuts, named } of rules) {
    for (const cut of cuts ?? []) lengths.add(lengthOf(cut));
    if (named.length > 0) lengths.add(portBits);
  }
  return [...lengths].sort((a, b) => a - b);
}

/**
 * Whether an identity that is not known, which only rules about everybody and about all addresses match, may get
 * through where one that is known would be denied. Audit policies do not count: they must never deny anybody anything.
 */
function mayFavourStrangers({ request, rules, grouping, decider }: Parts): boolean {
  if (request.isAudit) return false;
  const usesNames = (rank: number) => (rules[rank]?.named.length ?? 0) > 0;
  const { everybody, parties } = grouping;
  const byAddress = parties.filter(({ peers }) => hasScope(peers, "any"));
  const byIdentity = parties.filter(
    ({ peers, names }) =>
      peers.selectors.length > 0 || hasScope(peers, "external") || names.size > 0,
  );
  const forStrangers = [...everybody, ...byAddress.flatMap(({ ranks }) => ranks)];
  const forOthers = [...everybody.filter(usesNames), ...byIdentity.flatMap(({ ranks }) => ranks)];
  const is = (ranks: readonly number[], test: (rule: PlannedRule) => boolean) =>
    ranks.some((rank) => {
      const rule = rules[rank];
      return rule !== undefined && !rule.isAudit && test(rule);
    });
  const isOpen = decider.decide(nothing).verdict !== "deny";
  const letsStrangersIn = isOpen || is(forStrangers, mayLift);
  if (letsStrangersIn && is(forOthers, ({ verdict }) => verdict !== "allow")) return true;
  // Somebody who is known may have to go through a proxy where a stranger need not.
  const isFree = isOpen || is(forStrangers, (rule) => mayLift(rule) && !needsProxy(rule));
  return isFree && is(forOthers, needsProxy);
}

function needsProxy({ l7 }: PlannedRule): boolean {
  return l7?.kind === "rules";
}

function hasScope({ cidrs }: ResolvedPeers, wanted: ResolvedCidr["scope"]): boolean {
  return cidrs.some(({ scope }) => scope === wanted);
}

/** Whether a rule may get somebody past a default deny. */
function mayLift({ verdict, tier }: PlannedRule): boolean {
  return verdict === "allow" || (verdict === "pass" && tiers[tier] === "normal");
}
