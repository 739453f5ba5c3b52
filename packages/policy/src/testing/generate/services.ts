// What policies refer to by name or label: groups of addresses, and services.
import type { Random } from "@tsilium/testkit";
import type { RawObject, World } from "../naive/index.ts";
import { randomBlock } from "./block.ts";
import { outsideAddresses, podLabels, several } from "./dictionary.ts";

export const groupNames = ["vpn", "office"];
export const serviceNames = ["front", "back"];
export const groupLabels = { role: ["partner", "own"] };
export const serviceLabels = { kind: ["internal", "external"] };

/** A group of any of the blocks. */
export function randomCidrGroup(random: Random, world: World, name: string): RawObject {
  const externalCIDRs = several(random, [0, 3], () => randomBlock(random, world));
  return {
    apiVersion: "cilium.io/v2",
    kind: "CiliumCIDRGroup",
    metadata: { name, labels: { role: random.pick(groupLabels.role) } },
    spec: { externalCIDRs: [...new Set(externalCIDRs)] },
  } as RawObject;
}

/** A service with a selector, or without one and with a slice of addresses, mostly outside. */
export function randomService(random: Random, world: World, name: string): RawObject[] {
  const namespace = serviceNamespace(random, world);
  const hasSelector = random.chance(0.6);
  const [app, tier] = [random.pick(podLabels.app), random.pick(podLabels.tier)];
  const service = {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, namespace, labels: { kind: random.pick(serviceLabels.kind) } },
    spec: {
      ports: [{ port: 80 }],
      ...(hasSelector ? { selector: random.chance(0.5) ? { app } : { app, tier } } : {}),
    },
  };
  if (hasSelector) return [service];
  const slice = {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      name: `${name}-1`,
      namespace,
      labels: { "kubernetes.io/service-name": name },
    },
    addressType: world.families.includes(4) ? "IPv4" : "IPv6",
    endpoints: several(random, [0, 2], () => ({
      addresses: [random.chance(0.8) ? outsideAddress(random, world) : nodeAddress(random, world)],
    })),
  };
  return [service, slice as RawObject];
}

/** Mostly the first, so that services are where policies look for them. */
export function serviceNamespace(random: Random, { namespaces }: World): string {
  return (random.chance(0.7) ? (namespaces[0] ?? random.pick(namespaces)) : random.pick(namespaces))
    .name;
}

export function outsideAddress(random: Random, { families }: World): string {
  const own = outsideAddresses.filter((address) =>
    families.includes(address.includes(":") ? 6 : 4),
  );
  return random.pick(own);
}

/** Who is in the cluster is no address to policy: a service may name it all the same. */
function nodeAddress(random: Random, { nodes }: World): string {
  return random.pick(nodes.flatMap(({ addresses }) => addresses));
}
