// Precedence as numbers. Rules are ranked beforehand: a lower rank wins within its tier (in the normal tier all denies
// before all allows), so what is known of a set of matching rules is the lowest rank of each tier, and sets are united
// by taking the lower of each.
//
//   admin: first match, unless it says pass  ->  normal: first match, or the default deny  ->  baseline: first match  ->  allowed
//
// L7 rules, which only the normal tier has, are weighed apart (redirects.ts): they win over plain allows, not over denies.
import type { DenyResponse, EntryVerdict, Verdict } from "../model.ts";
import type { PortCut } from "./port-cuts.ts";
import type { RedirectingRule, Redirects, Union } from "./redirects.ts";
import { Sequences } from "./sequences.ts";

/** A rule of a slot, as far as it is weighed. */
export type WeighedRule = RedirectingRule & {
  /** Index into `tiers`. */
  readonly tier: number;
  readonly verdict: Verdict;
  /** Of a deny. */
  readonly response: DenyResponse;
};

/** What is done with a packet, and why. The same object whenever it is the same. */
export type Decision = {
  readonly verdict: EntryVerdict;
  readonly rule: number;
  readonly response: DenyResponse;
  /** Of a redirect; 0 for others. */
  readonly proxyPort: number;
};

/**
 * Lowest rank among matching rules, per tier: first of all rules, then of those that are enforced. Last the set of those
 * that matter to redirects.
 * Plain arrays: they are made for every port prefix of every class.
 */
export type Weights = readonly number[];

type OutcomeAtL7 = { readonly outcome: number; readonly union: Union | undefined };

export type DefaultDeny = { readonly rule: number; readonly response: DenyResponse };

export type DeciderOptions = {
  /** By rank. */
  readonly rules: readonly WeighedRule[];
  /** What denies what nothing allows; undefined: nothing does. */
  readonly defaultDeny: {
    /** Audit policies' isolation included. */
    readonly full: DefaultDeny | undefined;
    readonly enforced: DefaultDeny | undefined;
  };
  /** Of what is allowed for want of a rule. */
  readonly allowed: number;
  /** Nothing is denied, only told. */
  readonly isAudit: boolean;
  readonly redirects: Redirects;
};

const none = 2 ** 21;
const byDefaultDeny = none + 1;
const byDefaultAllow = none + 2;
const byRedirect = none + 3;
const tierCount = 3;
/** Where weights have the set of rules that matter to redirects. */
const l7At = 2 * tierCount;

/** No rule matches. */
export const nothing: Weights = [
  ...Array.from({ length: 2 * tierCount }, () => none),
  Sequences.empty,
];

/** Ranks are below this. */
export const rankLimit = none;

export class Decider {
  readonly #options: DeciderOptions;
  readonly #decisions = new Map<string, Decision>();
  /** (outcome in full, outcome as enforced) -> decision. */
  readonly #combined = new Map<number, Decision>();
  /** Text of weights -> decision, where L7 rules match. */
  readonly #atL7 = new Map<string, Decision>();

  constructor(options: DeciderOptions) {
    this.#options = options;
  }

  /** Adds a rule that matches by a block of ports. */
  weigh(weights: number[], rank: number, cut: PortCut): void {
    const { tier, isAudit, l7 } = this.#rule(rank);
    if (l7) weights[l7At] = this.#options.redirects.add(weights[l7At] as number, rank, cut);
    if (l7?.kind === "rules") return;
    if (rank < (weights[tier] as number)) weights[tier] = rank;
    const enforced = tier + tierCount;
    if (!isAudit && rank < (weights[enforced] as number)) weights[enforced] = rank;
  }

  decide(weights: Weights): Decision {
    const l7 = weights[l7At] as number;
    if (l7 !== Sequences.empty) return this.#decideAtL7(weights, l7);
    const { full, enforced } = this.#options.defaultDeny;
    const inFull = this.#outcome(weights, 0, full !== undefined);
    const asEnforced = this.#outcome(weights, tierCount, enforced !== undefined);
    const key = inFull * 2 ** 22 + asEnforced;
    let decision = this.#combined.get(key);
    if (!decision) this.#combined.set(key, (decision = this.#combine(inFull, asEnforced)));
    return decision;
  }

  #decideAtL7(weights: Weights, l7: number): Decision {
    const key = weights.join(" ");
    let decision = this.#atL7.get(key);
    if (decision) return decision;
    const { redirects, defaultDeny } = this.#options;
    const [full, enforced] = [redirects.union(l7, "all"), redirects.union(l7, "enforced")];
    const inFull = this.#outcome(weights, 0, defaultDeny.full !== undefined, full);
    const isIsolated = defaultDeny.enforced !== undefined;
    const asEnforced = this.#outcome(weights, tierCount, isIsolated, enforced);
    decision = this.#combineAtL7(
      { outcome: inFull, union: full },
      { outcome: asEnforced, union: enforced },
    );
    this.#atL7.set(key, decision);
    return decision;
  }

  /** Audit policies may send through a proxy what is let through otherwise, for it to tell what it would deny. */
  #combineAtL7(full: OutcomeAtL7, enforced: OutcomeAtL7): Decision {
    const { isAudit } = this.#options;
    if (enforced.outcome === byRedirect && enforced.union)
      return this.#redirect(enforced.union, isAudit);
    if (full.outcome !== byRedirect || !full.union || this.#denies(enforced.outcome))
      return this.#combine(full.outcome, enforced.outcome);
    const { openedBy } = full.union;
    if (openedBy === undefined) return this.#redirect(full.union, true);
    return this.#combine(openedBy, enforced.outcome);
  }

  #redirect(union: Union, audit: boolean): Decision {
    const { rule, denyRule, proxyPort } = this.#options.redirects.redirect(union, audit);
    if (proxyPort !== undefined) return this.#make("redirect", rule, { proxyPort });
    // As without a listener, but it is known beforehand. Dropped whatever the response of the policy: it may pass soon.
    return this.#make(audit ? "audit" : "deny", denyRule);
  }

  /** The rank that decides, or one of the defaults. `union`: of the L7 rules that match. */
  #outcome(weights: Weights, offset: number, isIsolated: boolean, union?: Union): number {
    const [admin, normal, baseline] = [0, 1, 2].map((tier) => weights[offset + tier] as number) as [
      number,
      number,
      number,
    ];
    if (admin !== none && this.#rule(admin).verdict !== "pass") return admin;
    if (union && !this.#denies(normal)) return byRedirect;
    if (normal !== none && this.#rule(normal).verdict !== "pass") return normal;
    if (normal === none && isIsolated) return byDefaultDeny;
    if (baseline !== none && this.#rule(baseline).verdict !== "pass") return baseline;
    return byDefaultAllow;
  }

  /** Audit policies may turn an allow into an audit, and nothing else. */
  #combine(inFull: number, asEnforced: number): Decision {
    const { defaultDeny, isAudit } = this.#options;
    if (this.#denies(asEnforced)) {
      const { rule, response } = this.#denialOf(asEnforced, defaultDeny.enforced);
      return isAudit ? this.#make("audit", rule) : this.#make("deny", rule, { response });
    }
    if (this.#denies(inFull))
      return this.#make("audit", this.#denialOf(inFull, defaultDeny.full).rule);
    const rank = asEnforced < none ? asEnforced : inFull;
    return this.#make("allow", rank < none ? this.#rule(rank).number : this.#options.allowed);
  }

  #denies(outcome: number): boolean {
    if (outcome === byDefaultDeny) return true;
    return outcome < none && this.#rule(outcome).verdict === "deny";
  }

  #denialOf(outcome: number, byDefault: DefaultDeny | undefined): DefaultDeny {
    if (outcome === byDefaultDeny && byDefault) return byDefault;
    const { number, response } = this.#rule(outcome);
    return { rule: number, response };
  }

  #make(
    verdict: EntryVerdict,
    rule: number,
    { response = "drop", proxyPort = 0 }: Partial<Pick<Decision, "response" | "proxyPort">> = {},
  ): Decision {
    const key = `${verdict} ${rule} ${response} ${proxyPort}`;
    let decision = this.#decisions.get(key);
    if (!decision) this.#decisions.set(key, (decision = { verdict, rule, response, proxyPort }));
    return decision;
  }

  #rule(rank: number): WeighedRule {
    return this.#options.rules[rank] as WeighedRule;
  }
}
