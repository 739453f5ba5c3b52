// From a request to a plan: rules are ranked, then grouped by the peers that they name. Where there are L7 rules, every
// range of ports of an allow is a rule of its own: it matters how it is written.
import type { PolicySettings, RuleMatch, RuleName } from "../model.ts";
import { tiers } from "../model.ts";
import { Decider, rankLimit } from "./decider.ts";
import { SlotError } from "./errors.ts";
import { groupByPeers } from "./grouping.ts";
import { isolationOf } from "./isolation.ts";
import type { PlannedRule, SlotPlan, SlotRequest } from "./plan.ts";
import { lengthOf, portBits, portCut } from "./port-cuts.ts";
import { type L7Role, Redirects, writtenPorts } from "./redirects.ts";
import { cutsOf, type ResolvedPorts, type ResolvedRule } from "./resolve.ts";
import type { RuleLease } from "./rule-numbers.ts";
import type { RuleSetLease } from "./rule-sets.ts";
import { keyed } from "./selectors.ts";
import { slotHeader } from "./slot-header.ts";
import type { SpecSide } from "./spec-record.ts";

export type PlanOptions = {
  readonly settings: PolicySettings;
  readonly lease: RuleLease;
  readonly ruleSets: RuleSetLease;
};

/** @throws SlotError too_many_rules */
export function makePlan(request: SlotRequest, options: PlanOptions): SlotPlan {
  const { settings, lease, ruleSets } = options;
  const { direction } = request;
  const sources = sortByPrecedence(sourcesOf(request, settings));
  if (sources.length >= rankLimit)
    throw new SlotError(
      "too_many_rules",
      `${sources.length} rules for one ${request.direction} policy`,
    );
  const rules = sources.map((source) => plannedRule(source, request, options));
  const grouping = groupByPeers(
    sources.map(({ rule }) => rule.peers),
    rules,
  );
  const redirects = new Redirects({ rules, direction, lease, ruleSets });
  const decider = new Decider({
    rules,
    defaultDeny: isolationOf(request, settings, lease),
    allowed: lease.of({ kind: "builtin", reason: "no policy denies it" }),
    isAudit: request.isAudit,
    redirects,
  });
  const header = slotHeader({ request, rules, grouping, decider });
  return { direction, header, decider, rules, grouping, lease, ruleSets, redirects };
}

/** A rule, or a part of it, and the object that it is of; undefined: built in. */
type Source = {
  readonly side: SpecSide | undefined;
  readonly rule: ResolvedRule;
  /** Default: all of the rule's. */
  readonly part?: { readonly ports: ResolvedPorts | undefined; readonly l7: L7Role };
};

const host = keyed([{ source: "reserved", key: "host", operator: "Exists", values: [] }]);
const localhostRule: ResolvedRule = {
  verdict: "allow",
  path: "",
  peers: { key: "the node itself", selectors: [host], cidrs: [] },
  ports: undefined,
  l7: undefined,
};

function sourcesOf({ sides, direction }: SlotRequest, settings: PolicySettings): Source[] {
  const sources: Source[] = sides.flatMap((side) => side.rules.map((rule) => ({ side, rule })));
  const reachesPods = settings.allowLocalhost && direction === "ingress";
  if (reachesPods) sources.push({ side: undefined, rule: localhostRule });
  return sources.some(({ rule }) => rule.l7) ? sources.flatMap(partsOf) : sources;
}

/** A part for each range and name of an allow's ports. */
function partsOf(source: Source): Source[] {
  const { side, rule } = source;
  const { ports, l7 } = rule;
  if (!side) return [{ ...source, part: { ports, l7: { kind: "exempt" } } }];
  if (side.tier !== "normal" || rule.verdict !== "allow" || !ports) return [source];
  const role: L7Role = l7 ? { kind: "rules", l7 } : { kind: "plain" };
  const alone: ResolvedPorts[] = [
    ...ports.ranges.map((range) => ({ ranges: [range], named: [] })),
    ...ports.named.map((named) => ({ ranges: [], named: [named] })),
  ];
  return alone.map((one) => ({ ...source, part: { ports: one, l7: role } }));
}

const normalOrder = { deny: 0, allow: 1, pass: 2 } as const;

/** Sides come in order; within the normal tier every deny precedes every allow. Sorting is stable. */
function sortByPrecedence(sources: readonly Source[]): Source[] {
  const weight = ({ side, rule }: Source) => {
    const tier = tierOf(side);
    return 3 * tier + (tiers[tier] === "normal" ? normalOrder[rule.verdict] : 0);
  };
  return sources
    .map((source) => ({ source, weight: weight(source) }))
    .sort((a, b) => a.weight - b.weight)
    .map(({ source }) => source);
}

function tierOf(side: SpecSide | undefined): number {
  return tiers.indexOf(side?.tier ?? "normal");
}

function plannedRule(
  { side, rule, part }: Source,
  request: SlotRequest,
  { settings, lease }: PlanOptions,
): PlannedRule {
  const ports = part ? part.ports : rule.ports;
  const [range] = part?.ports?.ranges ?? [];
  const number = side
    ? lease.of(ruleName(side, rule))
    : lease.of({ kind: "builtin", reason: "allow-localhost" });
  return {
    tier: tierOf(side),
    verdict: rule.verdict,
    isAudit: side?.isAudit ?? false,
    number,
    response: side?.response ?? settings.denyResponse,
    l7: part?.l7,
    written: range && writtenPorts(range.protocol, range.first, range.last),
    ...plannedPorts(ports, request),
  };
}

function ruleName({ ref, log }: SpecSide, { path, peers, ports }: ResolvedRule): RuleName {
  const matches = { peers: peers !== undefined, ports: portsMatch(ports) };
  return { kind: "rule", ref, path, matches, ...(log === undefined ? {} : { log }) };
}

function portsMatch(ports: ResolvedPorts | undefined): RuleMatch["ports"] {
  if (!ports) return "any";
  const isWhole = ports.named.length === 0 && cutsOf(ports).every((cut) => lengthOf(cut) === 0);
  return isWhole ? "protocol" : "port";
}

/** Ingress: the names are the subject's own ports and resolved here. Egress: they are each peer's. */
function plannedPorts(
  ports: ResolvedPorts | undefined,
  { direction, namedPorts }: SlotRequest,
): Pick<PlannedRule, "cuts" | "named"> {
  if (!ports) return { cuts: undefined, named: [] };
  const cuts = cutsOf(ports);
  if (direction === "egress") return { cuts, named: ports.named };
  const own = ports.named.flatMap(({ protocol, name }) =>
    namedPorts
      .filter((port) => port.name === name && port.protocol === protocol)
      .map(({ port }) => portCut(protocol, port, portBits)),
  );
  return { cuts: [...cuts, ...own], named: [] };
}
