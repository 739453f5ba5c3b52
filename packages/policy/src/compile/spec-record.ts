// One `spec` of a policy, and its two directions as slots are made of them.
import type {
  DenyResponse,
  Direction,
  Policy,
  PolicyRef,
  PolicySpec,
  Rule,
  Tier,
} from "../model.ts";
import { refKey, tiers } from "../model.ts";
import { type Referents, refersToOthers, type ResolvedRule, resolveRule } from "./resolve.ts";
import { keyed, type KeyedSelector } from "./selectors.ts";

/** One direction of a spec. Immutable: whatever changes its meaning makes another with another id. */
export type SpecSide = {
  readonly id: number;
  readonly ref: PolicyRef;
  /** Of the spec in its object. */
  readonly path: string;
  readonly tier: Tier;
  /** Whom it selects is denied what no rule allows. */
  readonly isolates: boolean;
  /** It only tells what it would deny. */
  readonly isAudit: boolean;
  readonly response: DenyResponse | undefined;
  /** What flows that its rules decide are to say; undefined: nothing. */
  readonly log: string | undefined;
  /** In the object's order. */
  readonly rules: readonly ResolvedRule[];
  /** Sorts sides by precedence: by tier, then priority; names decide between equals, so that it is the same everywhere. */
  readonly order: string;
};

export type SideContext = Referents & {
  /** An id that no side has had. */
  nextSide(): number;
};

export class SpecRecord {
  readonly policy: Policy;
  readonly spec: PolicySpec;
  readonly subjects: KeyedSelector;
  /** Some rule refers to CIDR groups or services. */
  readonly refersToOthers: boolean;
  readonly #index: number;
  readonly #sides: { ingress?: SpecSide; egress?: SpecSide } = {};

  constructor(policy: Policy, index: number) {
    this.policy = policy;
    this.spec = policy.specs[index] as PolicySpec;
    this.subjects = keyed(this.spec.subject.selector);
    this.refersToOthers = this.spec.rules.some(refersToOthers);
    this.#index = index;
  }

  /** Resolved when somebody is selected, not before: most policies of a cluster select nobody here. */
  side(direction: Direction, context: SideContext): SpecSide {
    return (this.#sides[direction] ??= this.#resolve(direction, context));
  }

  /** After CIDR groups or services changed: whether that changed a side that was asked for. */
  refresh(context: SideContext): boolean {
    let changed = false;
    for (const direction of ["ingress", "egress"] as const) {
      const before = this.#sides[direction];
      if (!before) continue;
      const after = this.#resolve(direction, context);
      if (meaningOf(before) === meaningOf(after)) continue;
      this.#sides[direction] = after;
      changed = true;
    }
    return changed;
  }

  /** Takes over what did not change from the record of the same spec before an update. Answers whether all did not. */
  inherit(before: SpecRecord): boolean {
    const unchanged = (["ingress", "egress"] as const).filter((direction) => {
      if (this.#textOf(direction) !== before.#textOf(direction)) return false;
      const side = before.#sides[direction];
      if (side) this.#sides[direction] = side;
      return true;
    });
    return unchanged.length === 2 && this.#selection === before.#selection;
  }

  get #selection(): string {
    return `${this.spec.subject.kind} ${this.subjects.key}`;
  }

  #textOf(direction: Direction): string {
    const { enforcement, denyResponse } = this.policy;
    const { path, tier, priority, defaultDeny, log } = this.spec;
    const isolates = defaultDeny[direction];
    const rules = this.#rulesOf(direction);
    const place = { index: this.#index, path, tier, priority };
    return JSON.stringify({ place, isolates, enforcement, denyResponse, log, rules });
  }

  #rulesOf(direction: Direction): Rule[] {
    return this.spec.rules.filter((rule) => rule.direction === direction);
  }

  #resolve(direction: Direction, context: SideContext): SpecSide {
    const { ref, enforcement, denyResponse } = this.policy;
    const { path, tier, defaultDeny, log } = this.spec;
    return {
      id: context.nextSide(),
      ref,
      path,
      tier,
      isolates: defaultDeny[direction],
      isAudit: enforcement === "audit",
      response: denyResponse,
      log,
      rules: this.#rulesOf(direction)
        .filter((rule) => !rule.l7 || tier === "normal")
        .flatMap((rule) => resolveRule(rule, context) ?? []),
      order: orderKey(this.policy.ref, this.spec, this.#index),
    };
  }
}

/** Without any effect a side does not count as selecting anybody. */
export function hasEffect({ isolates, rules }: SpecSide): boolean {
  return isolates || rules.length > 0;
}

export function compareSides(a: SpecSide, b: SpecSide): number {
  return a.order < b.order ? -1 : 1;
}

function orderKey(ref: PolicyRef, { tier, priority }: PolicySpec, index: number): string {
  const padded = (number: number) => String(number).padStart(6, "0");
  return [tiers.indexOf(tier), padded(priority), refKey(ref), padded(index)].join(" ");
}

/** A text that two sides share exactly when they mean the same. Peers have a key that says who they are. */
function meaningOf(side: SpecSide): string {
  const told = new Set(["id", "selectors", "cidrs"]);
  return JSON.stringify(side, (key, value: unknown) => (told.has(key) ? undefined : value));
}
