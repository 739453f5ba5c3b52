// ClusterNetworkPolicy (policy.networking.k8s.io/v1alpha2) as the Network Policy API documents it.
import { isInBlock } from "./address.ts";
import { type Encounter, namespaceOf, ownLabels, peerPod } from "./encounter.ts";
import type { ClusterNetworkPolicy, ClusterPeer, NamespacedPods } from "./objects.ts";
import type { Opinion } from "./opinion.ts";
import { isForClusterProtocols } from "./ports.ts";
import { selectsLabels } from "./selector.ts";
import type { Pod, World } from "./world.ts";

/** Undefined when the policy does not select the pod. */
export function opinionOfClusterPolicy(
  { spec }: ClusterNetworkPolicy,
  encounter: Encounter,
): Omit<Opinion, "audit" | "policy"> | undefined {
  const { subject, direction, world } = encounter;
  if (subject.init || !isSelected(spec.subject, world, subject)) return undefined;
  const verdicts = { Accept: "allow", Deny: "deny", Pass: "pass" } as const;
  return {
    path: "spec",
    tier: spec.tier === "Admin" ? "admin" : "baseline",
    priority: spec.priority,
    isolates: false,
    rules: (spec[direction] ?? []).map((rule, index) => ({
      verdict: verdicts[rule.action],
      path: `spec.${direction}[${index}]`,
      matches:
        (rule.from ?? rule.to ?? []).some((peer) => isPeer(peer, encounter)) &&
        isForClusterProtocols(encounter, rule.protocols),
    })),
  };
}

function isPeer(peer: ClusterPeer, encounter: Encounter): boolean {
  if (peer.networks) return peer.networks.some((block) => isInBlock(encounter.address, block));
  if (peer.nodes)
    return encounter.peer.kind === "node" && selectsLabels(peer.nodes, encounter.peer.node.labels);
  const pod = peerPod(encounter);
  return pod !== undefined && isSelected(peer, encounter.world, pod);
}

function isSelected(
  selector: { readonly namespaces?: ClusterPeer["namespaces"]; readonly pods?: NamespacedPods },
  world: World,
  pod: Pod,
): boolean {
  const { labels } = namespaceOf(world, pod.namespace);
  if (selector.namespaces) return selectsLabels(selector.namespaces, labels);
  if (!selector.pods) return false;
  return (
    selectsLabels(selector.pods.namespaceSelector ?? {}, labels) &&
    selectsLabels(selector.pods.podSelector ?? {}, ownLabels(pod))
  );
}
