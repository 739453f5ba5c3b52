// Who has listeners: whoever may write policies in one namespace must not take from others what they need. A quarter of
// a kind is a namespace's own; more of it only as long as more than half are free. Policies of the whole cluster alone
// take what there is.
import type { WantedListener } from "@tsilium/policy";
import type { Condition } from "../model.ts";
import { portCount } from "./port-pool.ts";

/** Whose a listener is, and of which kind. */
export type Claim = {
  readonly ruleSet: Pick<WantedListener["ruleSet"], "direction" | "kind">;
  readonly namespace: string;
};

export class Shares {
  readonly #counts = new Map<string, number>();

  add(claim: Claim): void {
    this.#counts.set(keyOf(claim), this.#of(claim) + 1);
  }

  remove(claim: Claim): void {
    const left = this.#of(claim) - 1;
    if (left > 0) this.#counts.set(keyOf(claim), left);
    else this.#counts.delete(keyOf(claim));
  }

  /** @param free how many of the kind nobody has */
  mayHaveOneMore(claim: Claim, free: number): boolean {
    const { direction, kind } = claim.ruleSet;
    const all = portCount(direction, kind);
    return claim.namespace === "" || free > all / 2 || this.#of(claim) < shareOf(claim);
  }

  /** What is denied for want of a listener. */
  conditions(
    wanted: readonly Claim[],
    hasSome: (ruleSet: Claim["ruleSet"]) => boolean,
  ): Condition[] {
    const reasons = wanted.map(({ ruleSet, namespace }) => {
      const { direction, kind } = ruleSet;
      const all = `${portCount(direction, kind)} listeners for ${kind} of ${direction}`;
      return hasSome(ruleSet)
        ? `namespace ${namespace} has its share of the ${all}, which are scarce: what needs one more of it is denied`
        : `all ${all} are in use: what needs one is denied`;
    });
    return [...new Set(reasons)].map((reason) => ({
      kind: "listener",
      name: "listeners",
      reason,
      denies: true,
    }));
  }

  #of(claim: Claim): number {
    return this.#counts.get(keyOf(claim)) ?? 0;
  }
}

function shareOf({ ruleSet: { direction, kind } }: Claim): number {
  return Math.max(1, Math.floor(portCount(direction, kind) / 4));
}

function keyOf({ ruleSet: { direction, kind }, namespace }: Claim): string {
  return `${direction} ${kind} ${namespace}`;
}
