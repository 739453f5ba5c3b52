// NetworkPolicy (networking.k8s.io/v1) as the Kubernetes documentation has it.
import { isInBlock } from "./address.ts";
import { type Encounter, isMeantByCidr, namespaceOf, ownLabels, peerPod } from "./encounter.ts";
import type { KubePeer, NetworkPolicy } from "./objects.ts";
import type { Opinion } from "./opinion.ts";
import { isForKubePorts, kubeForms } from "./ports.ts";
import { selectsLabels } from "./selector.ts";
import type { Settings } from "./world.ts";

/** Undefined when the policy does not select the pod, or not in this direction. */
export function opinionOfNetworkPolicy(
  policy: NetworkPolicy,
  encounter: Encounter,
  settings: Settings,
): Omit<Opinion, "audit" | "policy"> | undefined {
  const { spec, metadata } = policy;
  const { subject, direction } = encounter;
  const namespace = metadata.namespace ?? "default";
  if (subject.init || subject.namespace !== namespace) return undefined;
  if (!selectsLabels(spec.podSelector ?? {}, ownLabels(subject))) return undefined;
  if (!affects(policy, direction)) return undefined;
  const rules =
    direction === "ingress"
      ? (spec.ingress ?? []).map(({ from, ports }) => ({ peers: from, ports }))
      : (spec.egress ?? []).map(({ to, ports }) => ({ peers: to, ports }));
  return {
    path: "spec",
    tier: "normal",
    priority: 0,
    isolates: true,
    rules: rules.map(({ peers, ports }, index) => ({
      verdict: "allow",
      path: `spec.${direction}[${index}]`,
      matches:
        isAmong(peers, encounter, { namespace, settings }) && isForKubePorts(encounter, ports),
      forms: kubeForms(encounter, ports),
    })),
  };
}

/** Ingress unless the types say otherwise; egress only if they say so or there are egress rules. */
function affects({ spec }: NetworkPolicy, direction: "ingress" | "egress"): boolean {
  const types = spec.policyTypes ?? [];
  if (types.length > 0) return types.includes(direction === "ingress" ? "Ingress" : "Egress");
  return direction === "ingress" || (spec.egress ?? []).length > 0;
}

type PeerContext = { readonly namespace: string; readonly settings: Settings };

/** Absent or empty: whoever it is, also outside the cluster. */
function isAmong(
  peers: readonly KubePeer[] | undefined,
  encounter: Encounter,
  context: PeerContext,
): boolean {
  if (peers === undefined || peers.length === 0) return true;
  return peers.some((peer) => isPeer(peer, encounter, context));
}

function isPeer(
  { ipBlock, podSelector, namespaceSelector }: KubePeer,
  encounter: Encounter,
  { namespace, settings }: PeerContext,
): boolean {
  if (ipBlock) {
    const { address } = encounter;
    if (settings.ipBlock === "external" && !isMeantByCidr(encounter, settings)) return false;
    const isExcepted = (ipBlock.except ?? []).some((block) => isInBlock(address, block));
    return isInBlock(address, ipBlock.cidr) && !isExcepted;
  }
  const pod = peerPod(encounter);
  if (!pod) return false;
  const isInNamespace = namespaceSelector
    ? selectsLabels(namespaceSelector, namespaceOf(encounter.world, pod.namespace).labels)
    : pod.namespace === namespace;
  return isInNamespace && selectsLabels(podSelector ?? {}, ownLabels(pod));
}
