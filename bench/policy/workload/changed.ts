// The policy that is changed, again and again.
import type { CiliumNetworkPolicy, LabelSelector } from "@tsilium/kube";
import { namespaceName } from "./cluster.ts";

/** Of the first namespace; every version lets another port in. */
export function changedPolicy(
  endpointSelector: LabelSelector,
  version: number,
): CiliumNetworkPolicy {
  const toPorts = [{ ports: [{ port: String(10_000 + version), protocol: "TCP" }] }];
  return {
    apiVersion: "cilium.io/v2",
    kind: "CiliumNetworkPolicy",
    metadata: {
      namespace: namespaceName(0),
      name: "changed",
    },
    spec: {
      endpointSelector,
      ingress: [{ fromEndpoints: [{ matchLabels: { tier: "back" } }], toPorts }],
    },
  };
}
