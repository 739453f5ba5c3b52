// Random CiliumNetworkPolicies and CiliumClusterwideNetworkPolicies.
import type { Random } from "@tsilium/testkit";
import type { CiliumPolicy, CiliumSpec, LabelSelector, World } from "../naive/index.ts";
import { randomL7Entry } from "./l7.ts";
import { anywhere, randomCiliumPeers, type RuleKind, sources } from "./cilium-peers.ts";
import {
  compact,
  icmpTypes,
  podLabels,
  portNames,
  portNumbers,
  portRanges,
  several,
} from "./dictionary.ts";
import { randomSelector } from "./selector.ts";

export function randomCiliumPolicy(random: Random, world: World, name: string): CiliumPolicy {
  const isNamespaced = random.chance(0.7);
  const body = random.chance(0.85)
    ? { spec: randomSpec(random, world, isNamespaced) }
    : { specs: several(random, [1, 3], () => randomSpec(random, world, isNamespaced)) };
  return {
    apiVersion: "cilium.io/v2",
    kind: isNamespaced ? "CiliumNetworkPolicy" : "CiliumClusterwideNetworkPolicy",
    metadata: compact({
      name,
      namespace: isNamespaced ? random.pick(world.namespaces).name : undefined,
    }),
    ...body,
  };
}

function randomSpec(random: Random, world: World, isNamespaced: boolean): CiliumSpec {
  const rules = (direction: "ingress" | "egress", isDeny: boolean) =>
    random.chance(isDeny ? 0.3 : 0.55)
      ? several(random, [random.chance(0.1) ? 0 : 1, 2], () =>
          randomRule(random, world, { direction, isDeny }),
        )
      : undefined;
  const lists = compact({
    ingress: rules("ingress", false),
    ingressDeny: rules("ingress", true),
    egress: rules("egress", false),
    egressDeny: rules("egress", true),
  });
  // One of the four sections must have a rule.
  const isEmpty = Object.values(lists).every((list) => (list?.length ?? 0) === 0);
  const sections = isEmpty ? { ...lists, ingress: [{}] } : lists;
  return compact({
    endpointSelector: randomSubject(random, world, isNamespaced),
    enableDefaultDeny: random.chance(0.3)
      ? random.pick([
          { ingress: false },
          { egress: false },
          { ingress: false, egress: false },
          { ingress: true, egress: true },
        ])
      : undefined,
    ...sections,
  });
}

/** Clusterwide, pods that are starting can be meant, and a namespaced one may try to leave its namespace. */
function randomSubject(random: Random, world: World, isNamespaced: boolean): LabelSelector {
  if (!isNamespaced && random.chance(0.15)) return { matchLabels: { "reserved:init": "" } };
  if (random.chance(0.05))
    return { matchExpressions: [{ key: "reserved:init", operator: "DoesNotExist" }] };
  if (random.chance(0.05)) return anywhere(random, world);
  return randomSelector(random, podLabels, sources);
}

function randomRule(random: Random, world: World, kind: RuleKind): object {
  const isIcmp = random.chance(0.12);
  const toPorts = !isIcmp && random.chance(0.65) ? randomToPorts(random, kind) : undefined;
  // About everybody, so that rules meet.
  const isOpen = toPorts !== undefined && random.chance(0.3);
  return compact({
    ...(isOpen ? {} : randomCiliumPeers(random, world, kind)),
    toPorts,
    icmps: isIcmp ? randomIcmps(random) : undefined,
  });
}

/** Of every pod, where rules about few ports and few peers meet: most say what proxies are to let through. */
export function randomWidePolicy(random: Random, _: World, name: string): CiliumPolicy {
  const direction = random.pick(["ingress", "egress"] as const);
  const app = random.pick(podLabels.app);
  const peers = random.pick([
    {},
    { [direction === "ingress" ? "fromEntities" : "toEntities"]: ["all"] },
    { [direction === "ingress" ? "fromEndpoints" : "toEndpoints"]: [{ matchLabels: { app } }] },
  ]);
  const rules = several(random, [1, 3], () => ({
    ...peers,
    toPorts: randomToPorts(random, { direction, isDeny: false }),
  }));
  return {
    apiVersion: "cilium.io/v2",
    kind: "CiliumClusterwideNetworkPolicy",
    metadata: { name },
    spec: { endpointSelector: {}, [direction]: rules },
  };
}

/** A deny has no L7. */
function randomToPorts(random: Random, { isDeny, direction }: RuleKind): object[] {
  return several(random, [random.chance(0.08) ? 0 : 1, 2], () => {
    if (isDeny || random.chance(0.55))
      return [{ ports: several(random, [1, 3], () => randomPort(random)) }];
    const entry = randomL7Entry(random, direction);
    // Written for the same ports, which opens what is behind them.
    return random.chance(0.2) ? [entry, { ports: entry.ports }] : [entry];
  }).flat();
}

function randomPort(random: Random): object {
  const protocol = random.pick([undefined, "ANY", "TCP", "TCP", "UDP", "SCTP"]);
  if (random.chance(0.2)) {
    const name = random.pick(portNames);
    return compact({ port: random.chance(0.2) ? name.toUpperCase() : name, protocol });
  }
  if (random.chance(0.1)) return compact({ port: "0", protocol });
  if (random.chance(0.6)) return compact({ port: String(random.pick(portNumbers)), protocol });
  const [first, endPort] = random.pick(portRanges);
  return compact({ port: String(first), endPort, protocol });
}

function randomIcmps(random: Random): object[] {
  return [
    {
      fields: several(random, [1, 2], () => {
        const family = random.pick([4, 6] as const);
        const type = random.chance(0.3) ? "EchoRequest" : random.pick(icmpTypes[family]);
        return compact({
          family: family === 4 && random.chance(0.5) ? undefined : `IPv${family}`,
          type,
        });
      }),
    },
  ];
}
