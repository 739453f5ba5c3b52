// The agent's policy engine on a bench's own maps: told what a cluster holds, it parses, compiles and writes as a
// worker does, in this thread.
import { reservedIdentities } from "@tsilium/identity";
import { PolicyEngine } from "../../apps/agent/src/policy/engine.ts";
import type { PolicyBatch, PolicyInput } from "../../apps/agent/src/policy/inputs/model.ts";
import type { PolicyKernel } from "../../apps/agent/src/policy/kernel.ts";
import type {
  PolicyWorkerSettings,
  SubjectState,
  WantedSubject,
} from "../../apps/agent/src/policy/model.ts";
import { type App, labelsOf } from "./workload/cluster.ts";
import type { PolicyObject } from "./workload/spread.ts";

/** As an agent without configuration of its own has them. */
export const settings: PolicyWorkerSettings = {
  enablePolicy: "default",
  allowLocalhost: true,
  cidrMatchMode: [],
  audit: false,
  denyResponse: "drop",
  clusterName: "default",
  kubernetesIpBlock: "any",
  nodeSelectorLabels: false,
  dualStack: true,
  tunnel: true,
};

export class Enforcer {
  readonly engine: PolicyEngine;
  #sequence = 0;

  /** Knows the reserved identities, and that there is nothing else yet. */
  constructor(kernel: PolicyKernel) {
    this.engine = new PolicyEngine({
      kernel,
      settings,
      // No rule of a bench needs a proxy.
      listenersFile: { read: () => undefined, write: () => {} },
      now: () => performance.now(),
    });
    const reserved = reservedIdentities.map(({ id, labels }) => identityOf(id, labels.toArray()));
    this.tell([...reserved, { kind: "synced" }]);
  }

  /** Works inputs into the kernel. @throws Error when something of it could not be written */
  tell(inputs: PolicyBatch): void {
    this.engine.add(++this.#sequence, inputs);
    this.#settle();
  }

  /** Puts the policy of a subject in force; answers how it is held. @throws Error when that could not be done */
  hold(subject: number, wanted: WantedSubject): SubjectState {
    this.engine.request(subject, wanted);
    const state = this.#settle().find(({ id }) => id === subject);
    if (!state) throw new Error(`subject ${subject} has no policy in force`);
    return state;
  }

  /** Runs as the worker does, which reports after every step. Answers the subjects that changed. */
  #settle(): SubjectState[] {
    const changed: SubjectState[] = [];
    while (this.engine.isBusy) {
      this.engine.step();
      const { subjects, conditions } = this.engine.report();
      const [failed] = conditions;
      if (failed) throw new Error(`${failed.name}: ${failed.reason}`);
      changed.push(...subjects);
    }
    return changed;
  }
}

export function identityOf(id: number, labels: readonly string[]): PolicyInput {
  return { kind: "identity", id, labels, namedPorts: [] };
}

export function identityInput(app: App): PolicyInput {
  return identityOf(app.identity, labelsOf(app));
}

export function policyInput(object: PolicyObject): PolicyInput {
  const { kind, metadata } = object;
  const { namespace = "", name = "" } = metadata;
  const policyKind = kind === "NetworkPolicy" ? kind : "CiliumNetworkPolicy";
  return { kind: "policy", ref: { kind: policyKind, namespace, name }, object };
}

/** An address of this node's. */
export function addressInput(prefix: string, identity: number): PolicyInput {
  return { kind: "address", prefix, identity, hostIp: undefined, owner: `bench/${identity}` };
}

export function subjectOf(app: Omit<App, "name">): WantedSubject {
  return { identity: app.identity, labels: labelsOf(app), namedPorts: [], audit: false };
}
