// Random peers of Cilium's rules, of every kind.
import type { Random } from "@tsilium/testkit";
import type { LabelSelector, World } from "../naive/index.ts";
import { exceptOf, randomBlock } from "./block.ts";
import {
  clusterName,
  compact,
  namespaceLabels,
  nodeLabels,
  podLabels,
  several,
} from "./dictionary.ts";
import { randomSelector } from "./selector.ts";
import {
  groupLabels,
  groupNames,
  outsideAddress,
  serviceLabels,
  serviceNames,
  serviceNamespace,
} from "./services.ts";

export type RuleKind = { readonly direction: "ingress" | "egress"; readonly isDeny: boolean };

/** What keys of selectors may begin with. */
export const sources = ["", "k8s:", "any:"];

const entities = [
  "all",
  "world",
  "cluster",
  "host",
  "remote-node",
  "kube-apiserver",
  "health",
  "ingress",
  "init",
  "unmanaged",
  "none",
];

/** One kind of peers, or none at all. */
export function randomCiliumPeers(
  random: Random,
  world: World,
  { direction, isDeny }: RuleKind,
): object {
  const to = direction === "ingress" ? "from" : "to";
  const list = <T>(make: () => T): T[] => several(random, [random.chance(0.08) ? 0 : 1, 2], make);
  const block = () => randomBlock(random, world);
  const kinds: (() => object)[] = [
    () => ({}),
    () => ({ [`${to}Endpoints`]: list(() => randomEndpoint(random, world)) }),
    () => ({ [`${to}Endpoints`]: list(() => randomEndpoint(random, world)) }),
    () => ({ [`${to}Entities`]: list(() => random.pick(entities)) }),
    () => ({
      [`${to}CIDR`]: list(() => (random.chance(0.2) ? outsideAddress(random, world) : block())),
    }),
    () => ({ [`${to}CIDRSet`]: list(() => randomCidrRule(random, block())) }),
    () => ({ [`${to}Nodes`]: list(() => randomSelector(random, nodeLabels)) }),
  ];
  if (direction === "egress")
    kinds.push(
      () => ({ toServices: list(() => randomServiceRef(random, world)) }),
      () => ({ toServices: list(() => randomServiceRef(random, world)) }),
    );
  if (direction === "egress" && !isDeny)
    kinds.push(() => ({ toFQDNs: [{ matchName: "example.com" }] }));
  return random.pick(kinds)();
}

function randomEndpoint(random: Random, world: World): LabelSelector {
  if (random.chance(0.25)) return anywhere(random, world);
  if (random.chance(0.08))
    return { matchLabels: { [`reserved:${random.pick(["host", "health", "init"])}`]: "" } };
  if (random.chance(0.08))
    return { matchLabels: { "k8s:io.cilium.k8s.policy.serviceaccount": "robot" } };
  if (random.chance(0.05))
    return { matchLabels: { "io.cilium.k8s.policy.cluster": random.pick([clusterName, "other"]) } };
  return randomSelector(random, podLabels, sources);
}

function randomCidrRule(random: Random, cidr: string): object {
  if (random.chance(0.2)) return { cidrGroupRef: random.pick([...groupNames, "no-such-group"]) };
  if (random.chance(0.15)) return { cidrGroupSelector: randomSelector(random, groupLabels) };
  return compact({ cidr, except: exceptOf(random, cidr) });
}

function randomServiceRef(random: Random, world: World): object {
  const namespace = serviceNamespace(random, world);
  if (random.chance(0.5))
    return { k8sService: { serviceName: random.pick(serviceNames), namespace } };
  return {
    k8sServiceSelector: compact({
      selector: randomSelector(random, serviceLabels),
      namespace: random.chance(0.5) ? namespace : undefined,
    }),
  };
}

/** A selector that says where its pods are. */
export function anywhere(random: Random, world: World): LabelSelector {
  return randomSelector(
    random,
    {
      "io.kubernetes.pod.namespace": world.namespaces.map(({ name }) => name),
      ...Object.fromEntries(
        Object.entries(namespaceLabels).map(([key, values]) => [
          `io.cilium.k8s.namespace.labels.${key}`,
          values,
        ]),
      ),
    },
    ["k8s:", "k8s:", ""],
  );
}
