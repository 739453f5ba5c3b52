// Random NetworkPolicies.
import type { Random } from "@tsilium/testkit";
import type { KubePeer, KubePort, NetworkPolicy, World } from "../naive/index.ts";
import {
  compact,
  namespaceLabels,
  podLabels,
  portNames,
  portNumbers,
  portRanges,
  several,
} from "./dictionary.ts";
import { exceptOf, randomBlock } from "./block.ts";
import { randomSelector } from "./selector.ts";

export function randomNetworkPolicy(random: Random, world: World, name: string): NetworkPolicy {
  const rules = (field: "from" | "to") =>
    random.chance(0.75)
      ? several(random, [0, 3], () =>
          compact({ [field]: randomPeers(random, world), ports: randomPorts(random) }),
        )
      : undefined;
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name, namespace: random.pick(world.namespaces).name },
    spec: compact({
      podSelector: randomSelector(random, podLabels),
      policyTypes: random.pick([
        undefined,
        undefined,
        ["Ingress"],
        ["Egress"],
        ["Ingress", "Egress"],
      ]),
      ingress: rules("from"),
      egress: rules("to"),
    }),
  };
}

function randomPeers(random: Random, world: World): KubePeer[] | undefined {
  if (random.chance(0.2)) return undefined;
  return several(random, [random.chance(0.1) ? 0 : 1, 2], () => randomPeer(random, world));
}

function randomPeer(random: Random, world: World): KubePeer {
  if (random.chance(0.4)) {
    const cidr = randomBlock(random, world);
    return { ipBlock: compact({ cidr, except: exceptOf(random, cidr) }) };
  }
  const podSelector = randomSelector(random, podLabels);
  const namespaceSelector = randomSelector(random, {
    ...namespaceLabels,
    "kubernetes.io/metadata.name": world.namespaces.map((namespace) => namespace.name),
  });
  return random.pick<KubePeer>([
    { podSelector },
    { namespaceSelector },
    { podSelector, namespaceSelector },
  ]);
}

function randomPorts(random: Random): KubePort[] | undefined {
  if (random.chance(0.35)) return undefined;
  return several(random, [random.chance(0.1) ? 0 : 1, 3], () => randomPort(random));
}

function randomPort(random: Random): KubePort {
  const protocol = random.pick([undefined, "TCP", "TCP", "UDP", "SCTP"]);
  if (random.chance(0.25)) return compact({ protocol, port: random.pick(portNames) });
  if (random.chance(0.15)) return compact({ protocol });
  if (random.chance(0.6)) return compact({ protocol, port: random.pick(portNumbers) });
  const [port, endPort] = random.pick(portRanges);
  return compact({ protocol, port, endPort });
}
