// A thousand policies among 6,000 identities, in the two ways that cost most: all over the cluster, and on one pod.
import type { CiliumNetworkPolicy } from "@tsilium/kube";
import type { WantedSubject } from "../../../apps/agent/src/policy/model.ts";
import { subjectOf } from "../enforcer.ts";
import { changedPolicy } from "../workload/changed.ts";
import { type App, appOf } from "../workload/cluster.ts";
import { crowdPolicies } from "../workload/crowd.ts";
import { type PolicyObject, spreadPolicies } from "../workload/spread.ts";

export type World = {
  readonly sentence: string;
  readonly policies: readonly PolicyObject[];
  /** Of this node's pods. */
  readonly subjects: readonly WantedSubject[];
  /** A policy that some of the subjects are held to, which says something else for each number. */
  changed(version: number): CiliumNetworkPolicy;
};

const policyCount = 1000;
/** Kubernetes' most pods of a node. */
const mostPods = 110;

export function worlds(): World[] {
  return [
    {
      sentence: `${mostPods} pods that differ, 10 policies per namespace`,
      policies: spreadPolicies(policyCount - 1),
      // Of all namespaces, and of several apps of each.
      subjects: Array.from({ length: mostPods }, (_, index) => subjectOf(appOf(index * 53))),
      changed: (version) => changedPolicy({}, version),
    },
    {
      sentence: "one pod, all policies on it",
      policies: crowdPolicies({
        namespace: crowded.namespace,
        name: "crowd",
        selector,
        rules: policyCount - 1,
        rulesPerPolicy: 1,
        allowed: { ingress: { fromEndpoints: [{}] }, egress: { toEndpoints: [{}] } },
      }),
      subjects: [subjectOf(crowded)],
      changed: (version) => changedPolicy(selector, version),
    },
  ];
}

const crowded: App = { ...appOf(0), name: "crowded", podLabels: { app: "crowded", tier: "front" } };
const selector = { matchLabels: { app: crowded.name } };
