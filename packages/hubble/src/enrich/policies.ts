// Rule numbers of events as the policies that flows name.
import type { FlowPolicy } from "../model.ts";
import { rulePathLabel } from "../model.ts";
import type { PolicyObject, RuleCause } from "./model.ts";

/** A rule as flows show it. */
export type RulePolicies = {
  readonly policies: readonly FlowPolicy[];
  /** See Flow.policyMatchType. */
  readonly matchType: number;
  /** See Flow.policyLog. */
  readonly log: readonly string[];
};

/** Cilium's monitor policy match, by whether the peer counts. */
const policyMatch = {
  none: 0,
  any: { withPeers: 1, alone: 4 },
  port: { withPeers: 2, alone: 3 },
  protocol: { withPeers: 5, alone: 6 },
} as const;

const silent: readonly string[] = Object.freeze([]);

/** Names kept, of rules in force and of those that went; a policy worker remembers 4,096 of the latter. */
const capacity = 262_144;

export class Policies {
  readonly #causes = new Map<number, RuleCause>();
  readonly #rules = new Map<number, RulePolicies>();
  /** By object. */
  readonly #revisions = new Map<string, number>();

  /** Numbers grow, and none is given again: the oldest are forgotten first. */
  setRule(number: number, cause: RuleCause): void {
    this.#causes.delete(number);
    this.#rules.delete(number);
    this.#causes.set(number, cause);
    if (this.#causes.size <= capacity) return;
    for (const oldest of this.#causes.keys()) {
      this.#causes.delete(oldest);
      this.#rules.delete(oldest);
      return;
    }
  }

  setRevision(ref: PolicyObject, revision: number, gone: boolean): void {
    const key = objectKey(ref);
    if (gone) this.#revisions.delete(key);
    else this.#revisions.set(key, revision);
    this.#rules.clear();
  }

  /** undefined: nobody has told of it yet. One object as long as nothing changes. */
  rule(number: number): RulePolicies | undefined {
    const known = this.#rules.get(number);
    if (known) return known;
    const cause = this.#causes.get(number);
    if (!cause) return undefined;
    const rule = this.#policiesOf(cause);
    this.#rules.set(number, rule);
    return rule;
  }

  #policiesOf(cause: RuleCause): RulePolicies {
    switch (cause.kind) {
      case "rule":
        return {
          policies: [this.#policy(cause.ref, cause.path)],
          matchType: matchTypeOf(cause),
          log: cause.log === undefined ? silent : [cause.log],
        };
      case "default-deny":
        return {
          policies: cause.by.map(({ ref, path }) => this.#policy(ref, path)),
          matchType: policyMatch.none,
          log: silent,
        };
      case "builtin":
        return {
          policies: [builtin(cause.reason)],
          matchType: policyMatch.any.alone,
          log: silent,
        };
    }
  }

  #policy(ref: PolicyObject, path: string): FlowPolicy {
    const { kind, namespace, name } = ref;
    return Object.freeze({
      name,
      namespace,
      labels: [
        `k8s:io.cilium.k8s.policy.derived-from=${kind}`,
        `k8s:io.cilium.k8s.policy.name=${name}`,
        ...(namespace === "" ? [] : [`k8s:io.cilium.k8s.policy.namespace=${namespace}`]),
        `${rulePathLabel}=${path}`,
      ],
      revision: this.#revisions.get(objectKey(ref)) ?? 0,
      kind,
    });
  }
}

/** A rule that nobody told of in time: its number is better than nothing. */
export function unnamedRule(number: number): RulePolicies {
  const labels = [`${rulePathLabel}=rule ${number}`];
  const policy = { name: `rule ${number}`, namespace: "", labels, revision: 0, kind: "" };
  return { policies: [policy], matchType: policyMatch.none, log: silent };
}

/** What needs no policy's rule: "allow-localhost". As Cilium labels it, with its name to read. */
function builtin(reason: string): FlowPolicy {
  const labels = [`reserved:io.cilium.policy.derived-from=${reason}`];
  return Object.freeze({ name: reason, namespace: "", labels, revision: 0, kind: "" });
}

function matchTypeOf({ matches }: RuleCause & { kind: "rule" }): number {
  if (!matches) return policyMatch.none;
  return policyMatch[matches.ports][matches.peers ? "withPeers" : "alone"];
}

function objectKey({ kind, namespace, name }: PolicyObject): string {
  return `${kind}/${namespace}/${name}`;
}
