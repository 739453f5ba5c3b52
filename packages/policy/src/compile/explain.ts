// Why a packet is let through or not: both ends' policies asked as the kernel asks them. Where an end and its peer are
// known, the slot asked is the one that the kernel has; otherwise one is built that has them in it.
import type { Address, Labels } from "@tsilium/net";
import type {
  Direction,
  EntryVerdict,
  NamedPort,
  PolicyKind,
  RuleName,
  RuleSet,
  Subject,
} from "../model.ts";
import type { Catalog } from "./catalog.ts";
import type { CidrSets } from "./cidr-sets.ts";
import { allowSlot, type Held, noRule, unknownSlot } from "./fixed-slots.ts";
import type { LiveSlot } from "./live-slot.ts";
import { lookup } from "./lookup.ts";
import { rulesLike } from "./matching-rules.ts";
import { type KnownPeer, knownPeer, type Peers } from "./peers.ts";
import type { SlotStore } from "./slot-store.ts";
import { coveringTexts, onlyPeers, type StudiedSlot, study } from "./study.ts";

export type EndPoint = {
  readonly identity: number;
  readonly labels: Labels;
  /** For rules about addresses. */
  readonly address?: Address;
  /** Default: those of the identity. */
  readonly namedPorts?: readonly NamedPort[];
  /** Of a local pod: then its own slots are asked. */
  readonly subject?: number;
};

export type ExplainQuestion = {
  readonly from: EndPoint;
  readonly to: EndPoint;
  readonly protocol: number;
  /** Of the destination; an ICMP type for ICMP. */
  readonly port: number;
};

export type ExplainedRule = {
  readonly kind: PolicyKind;
  readonly namespace: string;
  readonly name: string;
  readonly path: string;
};

export type ExplainedVerdict = "allowed" | "denied" | "audit";

export type ExplainedSide = {
  readonly verdict: ExplainedVerdict;
  /** What decided, first, and what else says the same. */
  readonly rules: readonly ExplainedRule[];
  /** Specs that isolate, when nothing allowed it. */
  readonly defaultDenyBy: readonly ExplainedRule[];
  /** Neither: "no policy selects it", "not a pod", "allow-localhost", ... */
  readonly builtin?: string;
  /** Allowed as far as a proxy lets it through. */
  readonly l7?: ExplainedL7;
};

/** What a proxy enforces, and whose the numbers in it are. */
export type ExplainedL7 = {
  readonly ruleSet: RuleSet;
  readonly rules: readonly (ExplainedRule & { readonly number: number })[];
  /** What denies what no rule of the set allows. */
  readonly defaultDenyBy: readonly ExplainedRule[];
};

export type Explanation = {
  readonly verdict: ExplainedVerdict;
  readonly egress: ExplainedSide;
  readonly ingress: ExplainedSide;
};

/** What the compiler knows, as far as questions need it. */
export type ExplainContext = {
  readonly catalog: Catalog;
  readonly peers: Peers<LiveSlot>;
  readonly sets: CidrSets;
  readonly store: SlotStore;
  subject(id: number): Subject | undefined;
  held(subject: number, direction: Direction): Held | undefined;
  ruleName(rule: number): RuleName | undefined;
};

export function explain(context: ExplainContext, question: ExplainQuestion): Explanation {
  const { from, to, protocol, port } = question;
  const packet = { protocol, port };
  const egress = explainSide(context, { direction: "egress", end: from, peer: to, ...packet });
  const ingress = explainSide(context, { direction: "ingress", end: to, peer: from, ...packet });
  return { verdict: worse(egress.verdict, ingress.verdict), egress, ingress };
}

type SideQuestion = {
  readonly direction: Direction;
  readonly end: EndPoint;
  readonly peer: EndPoint;
  readonly protocol: number;
  readonly port: number;
};

/** A slot, and by what number it knows the peer's address; no slot: nothing restricts the end. */
type Asked = { readonly slot: StudiedSlot | undefined; readonly cidrSet: number };

function explainSide(context: ExplainContext, question: SideQuestion): ExplainedSide {
  const { end, peer, protocol, port } = question;
  if (!isPod(end)) return unrestricted("not a pod");
  const { slot, cidrSet } = asInKernel(context, question) ?? asItWouldBe(context, question);
  if (!slot) return describe("allowed", [context.ruleName(noRule)]);
  const packet = { identity: peer.identity, cidrSet, protocol, port };
  const answer = lookup(slot.compiled, packet);
  if (answer.kind === "unknown-peer") return { ...unrestricted("unknown peer"), verdict: "denied" };
  if (answer.verdict === "redirect") return describeProxied(slot, answer.proxyPort);
  const names = rulesLike(slot.live, answer.rule, packet).map((rule) => slot.ruleName(rule));
  return describe(verdictWords[answer.verdict], names);
}

const verdictWords = {
  allow: "allowed",
  redirect: "allowed",
  deny: "denied",
  audit: "audit",
} as const satisfies Record<EntryVerdict, ExplainedVerdict>;

/** The rules of the set, and what makes it let everything through. */
function describeProxied(
  { live, ruleName }: Pick<StudiedSlot, "live" | "ruleName">,
  proxyPort: number,
): ExplainedSide {
  const ruleSet = live.plan.ruleSets.get(proxyPort);
  if (!ruleSet) throw new Error(`no rule set has port ${proxyPort}`);
  const numbers = [...new Set(ruleSet.rules.map(({ rule }) => rule))];
  const rules = numbers.flatMap((number) => {
    const name = ruleName(number);
    return name?.kind === "rule" ? [{ number, ...name.ref, path: name.path }] : [];
  });
  const deny = ruleName(ruleSet.denyRule);
  const defaultDenyBy =
    deny?.kind === "default-deny" ? deny.by.map(({ ref, path }) => ({ ...ref, path })) : [];
  // A rule that lets nothing through is in the set all the same.
  const all = [
    ...defaultDenyBy,
    ...rules.map(({ kind, namespace, name, path }) => ({ kind, namespace, name, path })),
  ];
  const once = new Map(all.map((rule) => [JSON.stringify(rule), rule]));
  const l7 = { ruleSet, rules, defaultDenyBy };
  return { verdict: "allowed", rules: [...once.values()], defaultDenyBy: [], l7 };
}

/** The end's own slot, when it has everything in it that the question is about. */
function asInKernel(context: ExplainContext, question: SideQuestion): Asked | undefined {
  const { end, peer, direction } = question;
  const held = end.subject === undefined ? undefined : context.held(end.subject, direction);
  if (held === undefined || held === unknownSlot) return undefined;
  if (held === allowSlot) return { slot: undefined, cidrSet: 0 };
  if (!context.peers.get(peer.identity)?.labels.equals(peer.labels)) return undefined;
  const covering = coveringTexts(context.store.prefixes, peer.address);
  const cidrSet = covering.length === 0 ? 0 : context.sets.find(covering);
  if (cidrSet === undefined) return undefined;
  const ruleName = (rule: number) => context.ruleName(rule);
  return { slot: { live: held, compiled: held.compiled(), ruleName }, cidrSet };
}

/** A slot that knows the peer and nobody else. */
function asItWouldBe(context: ExplainContext, { end, peer, direction }: SideQuestion): Asked {
  const { catalog, peers } = context;
  const registered = end.subject === undefined ? undefined : context.subject(end.subject);
  const { identity, labels } = end;
  const subject = registered ?? {
    id: 0,
    identity,
    labels,
    audit: false,
    namedPorts: end.namedPorts ?? peers.get(identity)?.namedPorts ?? [],
  };
  const slot = study(subject, direction, {
    catalog,
    peers: onlyPeers([peerOf(peer, context)]),
    setsFor: (prefixes) => [[theSet, coveringTexts(prefixes, peer.address)]],
  });
  return { slot, cidrSet: theSet };
}

const theSet = 1;

function peerOf(
  { identity, labels, namedPorts = [] }: EndPoint,
  context: ExplainContext,
): KnownPeer {
  const registered = context.peers.get(identity);
  if (registered?.labels.equals(labels)) return registered;
  return knownPeer({ id: identity, labels, namedPorts }, context.catalog.settings);
}

/** Only pods have policy of their own. */
function isPod({ subject, labels }: EndPoint): boolean {
  if (subject !== undefined || labels.has("init", "reserved")) return true;
  return labels.has("io.kubernetes.pod.namespace", "k8s");
}

function describe(
  verdict: ExplainedVerdict,
  names: readonly (RuleName | undefined)[],
): ExplainedSide {
  const rules: ExplainedRule[] = [];
  const defaultDenyBy: ExplainedRule[] = [];
  let builtin: string | undefined;
  for (const name of names) {
    if (name?.kind === "rule") rules.push({ ...name.ref, path: name.path });
    else if (name?.kind === "default-deny")
      defaultDenyBy.push(...name.by.map(({ ref, path }) => ({ ...ref, path })));
    else if (name) builtin ??= name.reason;
  }
  return { verdict, rules, defaultDenyBy, ...(builtin === undefined ? {} : { builtin }) };
}

function unrestricted(reason: string): ExplainedSide {
  return { verdict: "allowed", rules: [], defaultDenyBy: [], builtin: reason };
}

function worse(a: ExplainedVerdict, b: ExplainedVerdict): ExplainedVerdict {
  const found = (["denied", "audit"] as const).find((verdict) => a === verdict || b === verdict);
  return found ?? "allowed";
}
