// L7 rules among the rules that match a packet: whether it goes through a proxy, and which rule set the proxy enforces.
// A set of matching rules is a number, given out as blocks of ports are entered (sequences.ts); what it amounts to is
// found once for each.
//
//   matching:  http rules by A (80), http rules by B (80-90), plain allow by C (80)
//   rule set:  A's, B's, and, as C is written just like A, a rule that lets everything through
import type { Direction, RuleSet } from "../model.ts";
import { type PortCut, readCut, sizeOf } from "./port-cuts.ts";
import type { RuleLease } from "./rule-numbers.ts";
import type { RuleSetLease } from "./rule-sets.ts";
import { Sequences } from "./sequences.ts";
import { canonicalText, compatible, type EnforcedRules, unite } from "./unite.ts";

/** What a rule is to redirects. */
export type L7Role =
  | { readonly kind: "rules"; readonly l7: EnforcedRules }
  /** Lets everything through where it is written for the same ports as L7 rules. */
  | { readonly kind: "plain" }
  /** Whom it matches is never sent through a proxy. */
  | { readonly kind: "exempt" };

export type RedirectingRule = {
  readonly number: number;
  readonly isAudit: boolean;
  readonly l7: L7Role | undefined;
  /** The ports that the rule, or this part of it, is written for; undefined: those of the block that matches. */
  readonly written: string | undefined;
};

export type RedirectOptions = {
  /** By rank. */
  readonly rules: readonly RedirectingRule[];
  readonly direction: Direction;
  readonly lease: RuleLease;
  readonly ruleSets: RuleSetLease;
};

/** Rules that go through one proxy together. Ranks. */
export type Union = {
  readonly members: readonly number[];
  /** A plain allow that makes them let everything through. */
  readonly openedBy: number | undefined;
};

export type Redirect = {
  readonly rule: number;
  /** What denies what none of the rules allow. */
  readonly denyRule: number;
  /** undefined: no listener is left for these rules. */
  readonly proxyPort: number | undefined;
};

type Match = { readonly rank: number; readonly written: string };

export class Redirects {
  readonly #options: RedirectOptions;
  readonly #sequences = new Sequences();
  readonly #matches: Match[] = [];
  readonly #ids = new Map<string, number>();
  readonly #unions = new Map<string, Union | undefined>();
  /** Numbers of rules that were left out somewhere -> the rule in whose favour. */
  readonly conflicts: Map<number, number> = new Map();

  constructor(options: RedirectOptions) {
    this.#options = options;
  }

  /** The set with another rule in it, which matches by this block of ports. */
  add(sequence: number, rank: number, cut: PortCut): number {
    const written = this.#rule(rank).written ?? writtenCut(cut);
    const key = `${rank} ${written}`;
    let id = this.#ids.get(key);
    if (id === undefined) {
      id = this.#matches.push({ rank, written }) - 1;
      this.#ids.set(key, id);
    }
    return this.#sequences.append(sequence, id);
  }

  /** undefined: nothing goes through a proxy. */
  union(sequence: number, only: "all" | "enforced"): Union | undefined {
    const key = `${sequence} ${only}`;
    if (!this.#unions.has(key)) this.#unions.set(key, this.#unite(sequence, only));
    return this.#unions.get(key);
  }

  redirect({ members, openedBy }: Union, audit: boolean): Redirect {
    const { direction, lease, ruleSets } = this.#options;
    const parts = members.flatMap((rank) => {
      const { number, l7 } = this.#rule(rank);
      return l7?.kind === "rules" ? [{ number, l7: l7.l7 }] : [];
    });
    const by = [...new Set(parts.map(({ number }) => number))].flatMap((number) => {
      const name = lease.name(number);
      return name?.kind === "rule" ? [{ ref: name.ref, path: name.path }] : [];
    });
    const denyRule = lease.of({ kind: "default-deny", by });
    const opening = openedBy === undefined ? undefined : this.#rule(openedBy).number;
    const ruleSet = unite(parts, {
      direction,
      audit,
      denyRule,
      openedBy: opening,
    });
    const content = this.#contentOf(ruleSet);
    const namespace = this.#namespaceOf([...parts.map(({ number }) => number), opening ?? 0]);
    const wanted = { ruleSet, content, namespace };
    return { rule: parts[0]?.number ?? 0, denyRule, proxyPort: ruleSets.of(wanted) };
  }

  /** Rules of the whole cluster do not count: whoever adds his own to them makes other rule sets of them. */
  #namespaceOf(numbers: readonly number[]): string {
    const { lease } = this.#options;
    const all = numbers.map((number) => {
      const name = lease.name(number);
      return name?.kind === "rule" ? name.ref.namespace : "";
    });
    const [namespace = "", ...others] = new Set(all.filter((one) => one !== ""));
    return others.length > 0 ? "" : namespace;
  }

  /** Numbers are another agent's tomorrow: what they stand for is not. */
  #contentOf({ denyRule, rules, ...rest }: RuleSet): string {
    const { lease } = this.#options;
    const named = (rules as readonly { rule: number; match: unknown }[]).map(({ rule, match }) => [
      lease.key(rule),
      match,
    ]);
    return canonicalText({ ...rest, rules: named, deny: lease.key(denyRule) });
  }

  #unite(sequence: number, only: "all" | "enforced"): Union | undefined {
    const matches = this.#sequences
      .items(sequence)
      .map((id) => this.#matches[id] as Match)
      .filter(({ rank }) => only === "all" || !this.#rule(rank).isAudit)
      .sort((a, b) => a.rank - b.rank);
    const inRole = (role: L7Role["kind"]) =>
      matches.filter(({ rank }) => this.#rule(rank).l7?.kind === role);
    if (inRole("exempt").length > 0) return undefined;
    const candidates = inRole("rules").map((match) => {
      const { number, l7 } = this.#rule(match.rank);
      return { ...match, number, l7: (l7 as Extract<L7Role, { kind: "rules" }>).l7 };
    });
    const members = compatible(candidates);
    const [first] = members;
    if (!first) return undefined;
    for (const left of candidates)
      if (!members.includes(left)) this.conflicts.set(left.number, first.number);
    const written = new Set(members.map((member) => member.written));
    const openedBy = inRole("plain").find((plain) => written.has(plain.written))?.rank;
    return { members: [...new Set(members.map(({ rank }) => rank))], openedBy };
  }

  #rule(rank: number): RedirectingRule {
    return this.#options.rules[rank] as RedirectingRule;
  }
}

/** Two rules are written for the same ports exactly when they share this text. */
export function writtenPorts(protocol: number, first: number, last: number): string {
  return `${protocol} ${first} ${last}`;
}

function writtenCut(cut: PortCut): string {
  const { protocol, port, length } = readCut(cut);
  return writtenPorts(protocol, port, port + sizeOf(length) - 1);
}
