// Random ClusterNetworkPolicies.
import type { Random } from "@tsilium/testkit";
import type {
  ClusterNetworkPolicy,
  ClusterPeer,
  ClusterProtocol,
  ClusterRule,
  LabelSelector,
  NamespacedPods,
  World,
} from "../naive/index.ts";
import {
  blocks,
  compact,
  namespaceLabels,
  nodeLabels,
  podLabels,
  portNames,
  portNumbers,
  portRanges,
  several,
  some,
} from "./dictionary.ts";
import { randomSelector } from "./selector.ts";

export function randomClusterPolicy(
  random: Random,
  world: World,
  name: string,
): ClusterNetworkPolicy {
  return {
    apiVersion: "policy.networking.k8s.io/v1alpha2",
    kind: "ClusterNetworkPolicy",
    metadata: { name },
    spec: compact({
      tier: random.pick(["Admin", "Admin", "Baseline"] as const),
      priority: random.pick([0, 10, 10, 500, 1000]),
      subject: random.chance(0.5)
        ? { namespaces: randomNamespaces(random, world) }
        : { pods: randomPods(random, world) },
      ingress: random.chance(0.7)
        ? several(random, [0, 3], () => randomRule(random, world, "from"))
        : undefined,
      egress: random.chance(0.7)
        ? several(random, [0, 3], () => randomRule(random, world, "to"))
        : undefined,
    }),
  };
}

function randomRule(random: Random, world: World, field: "from" | "to"): ClusterRule {
  const action = random.pick(["Accept", "Deny", "Deny", "Pass"] as const);
  const peers = several(random, [1, 2], () => randomPeer(random, world, field));
  const domains = { domainNames: ["example.com"] };
  const isToNames = field === "to" && action === "Accept" && random.chance(0.1);
  const all = isToNames ? [...peers, domains] : peers;
  // Networks, nodes and domains have no named ports, and validation says so.
  const mayBeNamed = all.every((peer) => "pods" in peer || "namespaces" in peer);
  return compact({
    action,
    [field]: all,
    protocols: random.chance(0.5)
      ? several(random, [1, 2], () => randomProtocol(random, mayBeNamed))
      : undefined,
  });
}

function randomPeer(random: Random, world: World, field: "from" | "to"): ClusterPeer {
  if (field === "to" && random.chance(0.3))
    return { networks: some(random, blocks[random.pick(world.families)], 1 + random.below(2)) };
  if (field === "to" && random.chance(0.15)) return { nodes: randomSelector(random, nodeLabels) };
  return random.chance(0.5)
    ? { namespaces: randomNamespaces(random, world) }
    : { pods: randomPods(random, world) };
}

function randomNamespaces(random: Random, world: World): LabelSelector {
  return randomSelector(random, {
    ...namespaceLabels,
    "kubernetes.io/metadata.name": world.namespaces.map(({ name }) => name),
  });
}

function randomPods(random: Random, world: World): NamespacedPods {
  return {
    namespaceSelector: randomNamespaces(random, world),
    podSelector: randomSelector(random, podLabels),
  };
}

function randomProtocol(random: Random, mayBeNamed: boolean): ClusterProtocol {
  if (mayBeNamed && random.chance(0.2)) return { destinationNamedPort: random.pick(portNames) };
  const protocol = random.pick(["tcp", "tcp", "udp", "sctp"] as const);
  if (random.chance(0.6))
    return { [protocol]: { destinationPort: { number: random.pick(portNumbers) } } };
  const [start, end] = random.pick(portRanges);
  return { [protocol]: { destinationPort: { range: { start, end } } } };
}
