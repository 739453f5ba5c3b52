// What the maps are filled with: from one policy for everybody to a thousand of all kinds.
import type { CiliumNetworkPolicy } from "@tsilium/kube";
import type { PolicyInput } from "../../../apps/agent/src/policy/inputs/model.ts";
import type { WantedSubject } from "../../../apps/agent/src/policy/model.ts";
import { identityInput, policyInput, subjectOf } from "../enforcer.ts";
import { type App, appOf, appName, appsPerNamespace } from "../workload/cluster.ts";
import { crowdPolicies } from "../workload/crowd.ts";
import { type PolicyObject, spreadPolicies } from "../workload/spread.ts";

export type Load = {
  readonly sentence: string;
  readonly inputs: readonly PolicyInput[];
  readonly subjects: readonly WantedSubject[];
};

const mostPods = 110;
const server: App = { ...appOf(0), podLabels: { app: "server" } };
const selector = { matchLabels: { app: "server" } };

export function loads(): Load[] {
  return [
    onServer("100 identities x 1 port", 100, [everybody(1)]),
    onServer("1,000 identities x 10 ports", 1000, [everybody(10)]),
    onServer("6,000 identities x 10 ports", 6000, [everybody(10)]),
    onServer("6,000 identities x 40 ports", 6000, [everybody(40)]),
    onServer("6,000 identities of 60 kinds x 40 ports of their own", 6000, byKind(40)),
    onServer("1,000 policies on one pod", 6000, crowd()),
    {
      sentence: `1,000 policies all over, ${mostPods} pods that differ`,
      inputs: [...identities(6000), ...spreadPolicies(1000).map(policyInput)],
      subjects: Array.from({ length: mostPods }, (_, index) => subjectOf(appOf(index * 53))),
    },
  ];
}

function onServer(sentence: string, count: number, policies: readonly PolicyObject[]): Load {
  const inputs = [...identities(count), ...policies.map(policyInput)];
  return { sentence, inputs, subjects: [subjectOf(server)] };
}

function identities(count: number): PolicyInput[] {
  return Array.from({ length: count }, (_, index) => identityInput(appOf(index)));
}

/** Ports far enough from each other to be a prefix of their own each. */
function portsFrom(first: number, count: number) {
  return Array.from({ length: count }, (_, index) => ({
    port: String(first + 2 * index),
    protocol: "TCP",
  }));
}

function everybody(ports: number): CiliumNetworkPolicy {
  const toPorts = [{ ports: portsFrom(1000, ports) }];
  const anywhere = { matchExpressions: [{ key: "tier", operator: "Exists" as const }] };
  return policy("everybody", [{ fromEndpoints: [acrossNamespaces(anywhere)], toPorts }]);
}

/** A rule for each of the app names, which are in every namespace. */
function byKind(ports: number): CiliumNetworkPolicy[] {
  return Array.from({ length: appsPerNamespace }, (_, kind) =>
    policy(`kind-${kind}`, [
      {
        fromEndpoints: [acrossNamespaces({ matchLabels: { app: appName(kind) } })],
        toPorts: [{ ports: portsFrom(1000 + 100 * kind, ports) }],
      },
    ]),
  );
}

function crowd(): CiliumNetworkPolicy[] {
  const peer = [{ matchLabels: { app: "client" } }];
  return crowdPolicies({
    namespace: server.namespace,
    name: "crowd",
    selector,
    rules: 1000,
    rulesPerPolicy: 1,
    allowed: { ingress: { fromEndpoints: peer }, egress: { toEndpoints: peer } },
  });
}

/** Selectors of a policy are about its own namespace unless they name others. */
function acrossNamespaces<Selector extends object>(wanted: Selector) {
  const key = "k8s:io.kubernetes.pod.namespace";
  const named = { key, operator: "Exists" as const };
  const { matchExpressions = [] } = wanted as { matchExpressions?: readonly object[] };
  return { ...wanted, matchExpressions: [...matchExpressions, named] } as Selector;
}

function policy(
  name: string,
  ingress: NonNullable<NonNullable<CiliumNetworkPolicy["spec"]>["ingress"]>,
): CiliumNetworkPolicy {
  return {
    apiVersion: "cilium.io/v2",
    kind: "CiliumNetworkPolicy",
    metadata: { namespace: server.namespace, name },
    spec: { endpointSelector: selector, ingress },
  };
}
