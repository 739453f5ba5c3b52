// Random worlds: namespaces, pods on three nodes, what runs beside them, an API server here or there.
import type { Random } from "@tsilium/testkit";
import type { Family, KubeLabels, NamedPort, Namespace, Node, Pod, World } from "../naive/index.ts";
import {
  apiServerAddresses,
  clusterName,
  namespaceLabels,
  namespaceNames,
  nodeLabels,
  nodeNames,
  podLabels,
  several,
  some,
} from "./dictionary.ts";

export function randomWorld(random: Random): World {
  const families: readonly Family[] = random.chance(0.8) ? [4, 6] : [random.pick([4, 6] as const)];
  const world: World = {
    clusterName,
    families,
    namespaces: some(random, namespaceNames, 3 + random.below(2)).map((name) =>
      randomNamespace(random, name),
    ),
    pods: [],
    nodes: nodeNames.map((name, at) => ({
      name,
      labels: randomLabels(random, nodeLabels),
      addresses: [`172.18.0.${at + 2}`, `fc00:18::${at + 2}`].filter(isOf(families)),
    })),
    ...randomApiServer(random, families),
    reserved: some(random, ["health", "ingress", "unmanaged"] as const, random.below(4)).map(
      (entity) => ({ entity, addresses: reservedAddresses[entity].filter(isOf(families)) }),
    ),
  };
  const pods: Pod[] = [];
  for (const number of Array.from({ length: 10 + random.below(4) }, (_, index) => index))
    pods.push(randomPod(random, { ...world, pods }, number));
  return { ...world, pods };
}

const reservedAddresses = {
  health: ["10.244.0.250", "fd00:10:244::fa"],
  ingress: ["10.244.0.251", "fd00:10:244::fb"],
  unmanaged: ["10.244.0.252", "fd00:10:244::fc"],
};

function isOf(families: readonly Family[]): (address: string) => boolean {
  return (address) => families.includes(address.includes(":") ? 6 : 4);
}

function randomApiServer(random: Random, families: readonly Family[]): Pick<World, "apiServer"> {
  const apiServer = random
    .pick([undefined, ["172.18.0.3", "fc00:18::3"], apiServerAddresses])
    ?.filter(isOf(families));
  return apiServer ? { apiServer } : {};
}

/** Some of the keys, each with one of its values. */
export function randomLabels(
  random: Random,
  dictionary: Readonly<Record<string, readonly string[]>>,
): KubeLabels {
  const chosen = Object.entries(dictionary).filter(() => random.chance(0.75));
  return Object.fromEntries(chosen.map(([key, values]) => [key, random.pick(values)]));
}

export function randomNamespace(random: Random, name: string): Namespace {
  return {
    name,
    labels: { "kubernetes.io/metadata.name": name, ...randomLabels(random, namespaceLabels) },
    ...randomAudit(random, 0.05),
  };
}

/** Pod number n of the world always has the same name, addresses and node. */
export function randomPod(random: Random, world: World, number: number): Pod {
  const at = [0, 0, 0, 1, 2][number % 5] as number;
  const host = number + 2;
  // Replicas: the same identity, with named ports of its own.
  const twin = world.pods.length > 0 && random.chance(0.25) ? random.pick(world.pods) : undefined;
  return {
    name: `pod-${number}`,
    namespace: twin?.namespace ?? random.pick(world.namespaces).name,
    labels: twin?.labels ?? randomLabels(random, podLabels),
    serviceAccount: twin?.serviceAccount ?? random.pick(["default", "robot"]),
    addresses: [`10.244.${at}.${host}`, `fd00:10:244:${at}::${host.toString(16)}`].filter(
      isOf(world.families),
    ),
    node: nodeNames[at] as string,
    namedPorts: randomNamedPorts(random),
    ...(random.chance(0.03) ? { init: true } : {}),
    ...randomAudit(random, 0.05),
  };
}

/** Names that mean one number here and another there, and one that has two protocols. */
function randomNamedPorts(random: Random): NamedPort[] {
  return [
    ...several(random, [0, 1], () => ({
      name: "http",
      protocol: "TCP" as const,
      port: random.pick([80, 8080]),
    })),
    ...several(random, [0, 1], () => ({ name: "metrics", protocol: "TCP" as const, port: 9090 })),
    ...(random.chance(0.4)
      ? (["TCP", "UDP"] as const).map((protocol) => ({ name: "dns", protocol, port: 53 }))
      : []),
  ];
}

function randomAudit(random: Random, probability: number): { annotations?: KubeLabels } {
  return random.chance(probability)
    ? { annotations: { "policy.tsilium.io/enforcement": "audit" } }
    : {};
}

export function randomNode(random: Random, node: Node): Node {
  return { ...node, labels: randomLabels(random, nodeLabels) };
}
