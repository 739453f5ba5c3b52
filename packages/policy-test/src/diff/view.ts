// Changes of verdict as people and scripts read them.
import type { RuleName } from "@tsilium/policy/model.ts";
import type { Engine } from "../engine/engine.ts";
import type { RuleView, Verdict } from "../explanation.ts";
import type { Change } from "./diff.ts";
import type { Engines, Position } from "./positions.ts";
import { type Decided, isSame, type SpanChange } from "./spans.ts";

/** An end, as it can be told from others. */
export type EndView = {
  readonly identity: number;
  /** "source:key=value" */
  readonly labels: readonly string[];
  /** "shop/frontend": pods with this identity. */
  readonly pods: readonly string[];
  /** Of what is no pod: where it is. */
  readonly prefixes: readonly string[];
};

export type PortChange = {
  /** "80/tcp", "8000-8999/udp", "icmp/8", "tcp", "any" */
  readonly ports: string;
  readonly before: Verdict;
  readonly after: Verdict;
  /** The rules, or the specs that isolate, that decide now. */
  readonly by: readonly RuleView[];
  /** Where a proxy looks into it, before or after: what it lets through; undefined: all that the verdict lets through. */
  readonly requests?: {
    readonly before: readonly string[] | undefined;
    readonly after: readonly string[] | undefined;
  };
};

/** Connections from each of `from` to each of `to`, all of them. */
export type ChangeView = {
  readonly from: readonly EndView[];
  readonly to: readonly EndView[];
  readonly ports: readonly PortChange[];
};

export type Names = {
  labelsOf(identity: number): readonly string[];
  podsOf(identity: number): readonly string[];
};

export function changeViews(
  changes: readonly Change[],
  engines: Engines,
  names: Names,
): ChangeView[] {
  const end = ({ identity, prefixes }: Position): EndView => {
    const pods = names.podsOf(identity);
    const isPod = pods.length > 0 || identity >= 256;
    return {
      identity,
      labels: names.labelsOf(identity),
      pods,
      prefixes: isPod ? [] : prefixes,
    };
  };
  const views = changes.map(({ from, to, spans }) => ({
    from: from.map(end),
    to: to.map(end),
    ports: portChanges(spans, engines.after),
  }));
  return united(united(views, "from"), "to");
}

/** Changes that differ in one end alone become one. */
function united(views: readonly ChangeView[], end: "from" | "to"): ChangeView[] {
  const byRest = Map.groupBy(views, (view) => JSON.stringify({ ...view, [end]: undefined }));
  return [...byRest.values()].map((alike) => ({
    ...(alike[0] as ChangeView),
    [end]: unitedEnds(alike.flatMap((view) => view[end])),
  }));
}

/** An identity may be at several positions: what it has in both families is one end. */
function unitedEnds(ends: readonly EndView[]): EndView[] {
  const byIdentity = Map.groupBy(ends, ({ identity, labels }) => `${identity} ${labels.join()}`);
  return [...byIdentity.values()].map((alike) => ({
    ...(alike[0] as EndView),
    prefixes: [...new Set(alike.flatMap(({ prefixes }) => prefixes))],
  }));
}

function portChanges(spans: readonly SpanChange[], engine: Engine): PortChange[] {
  const view = (span: SpanChange, ports: string): PortChange => ({
    ports,
    before: span.before.verdict,
    after: span.after.verdict,
    by: decidersOf(span.after, engine),
    ...(span.before.requests || span.after.requests
      ? { requests: { before: span.before.requests, after: span.after.requests } }
      : {}),
  });
  const [first] = spans;
  if (first && isEverything(spans)) return [view(first, "any")];
  return spans.map((span) => view(span, portsText(span)));
}

/** All protocols change in the same way, those that no rule names included. */
function isEverything(spans: readonly SpanChange[]): boolean {
  const [first] = spans;
  return (
    spans.some(
      ({ protocol }) => typeof protocol !== "number" && changedAlike(protocol.allBut, spans),
    ) &&
    spans.every(
      (span) =>
        isWhole(span) &&
        first !== undefined &&
        isSame(span.before, first.before) &&
        isSame(span.after, first.after),
    )
  );
}

function isWhole({ first, last }: SpanChange): boolean {
  return first === 0 && last === 65_535;
}

/** Each of these protocols is among the changes: together with all others they are all there are. */
function changedAlike(protocols: readonly number[], spans: readonly SpanChange[]): boolean {
  return protocols.every((wanted) => spans.some(({ protocol }) => protocol === wanted));
}

function portsText(span: SpanChange): string {
  if (typeof span.protocol !== "number")
    return `all but ${span.protocol.allBut.map(protocolWord).join(", ")}`;
  const protocol = protocolWord(span.protocol);
  if (isWhole(span)) return protocol;
  const some = span.first === span.last ? String(span.first) : `${span.first}-${span.last}`;
  return protocol.startsWith("icmp") ? `${protocol}/${some}` : `${some}/${protocol}`;
}

function protocolWord(protocol: number): string {
  return protocolWords[protocol] ?? `protocol ${protocol}`;
}

const protocolWords: Readonly<Record<number, string>> = {
  1: "icmp",
  6: "tcp",
  17: "udp",
  58: "icmpv6",
  132: "sctp",
};

/** The objects that a rule number stands for: a rule's, or those that isolate. */
function ruleViewsOf(name: RuleName | undefined): RuleView[] {
  const found = name?.kind === "rule" ? [name] : name?.kind === "default-deny" ? name.by : [];
  return found.map(({ ref, path }) => ({ ...ref, path }));
}

function decidersOf({ rules }: Decided, engine: Engine): RuleView[] {
  const found = rules.flatMap((rule) => ruleViewsOf(engine.ruleName(rule)));
  return found.filter(
    (rule, at) => found.findIndex((one) => JSON.stringify(one) === JSON.stringify(rule)) === at,
  );
}
