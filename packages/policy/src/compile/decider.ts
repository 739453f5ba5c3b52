// Precedence as numbers. Rules are ranked beforehand: a lower rank wins within its tier (in the normal tier all denies
// before all allows), so what is known of a set of matching rules is the lowest rank of each tier, and sets are united
// by taking the lower of each.
//
//   admin: first match, unless it says pass  ->  normal: first match, or the default deny  ->  baseline: first match  ->  allowed
import type { DenyResponse, EntryVerdict, Verdict } from "../model.ts";

/** A rule of a slot, as far as it is weighed. */
export type WeighedRule = {
  /** Index into `tiers`. */
  readonly tier: number;
  readonly verdict: Verdict;
  /** Its policy is in audit mode. */
  readonly isAudit: boolean;
  readonly number: number;
  /** Of a deny. */
  readonly response: DenyResponse;
};

/** What is done with a packet, and why. The same object whenever it is the same. */
export type Decision = {
  readonly verdict: EntryVerdict;
  readonly rule: number;
  readonly response: DenyResponse;
};

/**
 * Lowest rank among matching rules, per tier: first of all rules, then of those that are enforced.
 * Plain arrays: they are made for every port prefix of every class.
 */
export type Weights = readonly number[];

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
};

const none = 2 ** 21;
const byDefaultDeny = none + 1;
const byDefaultAllow = none + 2;
const tierCount = 3;

/** No rule matches. */
export const nothing: Weights = Array.from({ length: 2 * tierCount }, () => none);

/** Ranks are below this. */
export const rankLimit = none;

export class Decider {
  readonly #options: DeciderOptions;
  readonly #decisions = new Map<string, Decision>();
  /** (outcome in full, outcome as enforced) -> decision. */
  readonly #combined = new Map<number, Decision>();

  constructor(options: DeciderOptions) {
    this.#options = options;
  }

  /** Adds a matching rule. */
  weigh(weights: number[], rank: number): void {
    const { tier, isAudit } = this.#rule(rank);
    if (rank < (weights[tier] as number)) weights[tier] = rank;
    const enforced = tier + tierCount;
    if (!isAudit && rank < (weights[enforced] as number)) weights[enforced] = rank;
  }

  decide(weights: Weights): Decision {
    const { full, enforced } = this.#options.defaultDeny;
    const inFull = this.#outcome(weights, 0, full !== undefined);
    const asEnforced = this.#outcome(weights, tierCount, enforced !== undefined);
    const key = inFull * 2 ** 22 + asEnforced;
    let decision = this.#combined.get(key);
    if (!decision) this.#combined.set(key, (decision = this.#combine(inFull, asEnforced)));
    return decision;
  }

  /** The rank that decides, or one of the two defaults. */
  #outcome(weights: Weights, offset: number, isIsolated: boolean): number {
    const [admin, normal, baseline] = [0, 1, 2].map((tier) => weights[offset + tier] as number) as [
      number,
      number,
      number,
    ];
    if (admin !== none && this.#rule(admin).verdict !== "pass") return admin;
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
      return isAudit ? this.#make("audit", rule) : this.#make("deny", rule, response);
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

  #make(verdict: EntryVerdict, rule: number, response: DenyResponse = "drop"): Decision {
    const key = `${verdict} ${rule} ${response}`;
    let decision = this.#decisions.get(key);
    if (!decision) this.#decisions.set(key, (decision = { verdict, rule, response }));
    return decision;
  }

  #rule(rank: number): WeighedRule {
    return this.#options.rules[rank] as WeighedRule;
  }
}
