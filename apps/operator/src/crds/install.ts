// Puts our definitions into the API server, before anything that needs them.
import { setTimeout as sleep } from "node:timers/promises";
import {
  KubeError,
  type CustomResourceDefinition,
  type KubeClient,
  resources,
} from "@tsilium/kube";
import { ciliumCidrGroup } from "./cilium-cidr-group.ts";
import { ciliumEndpoint } from "./cilium-endpoint.ts";
import { ciliumIdentity } from "./cilium-identity.ts";
import { ciliumLoadBalancerIpPool } from "./cilium-load-balancer-ip-pool.ts";
import { ciliumLocalRedirectPolicy } from "./cilium-local-redirect-policy.ts";
import { ciliumClusterwideNetworkPolicy, ciliumNetworkPolicy } from "./cilium-network-policy.ts";
import { ciliumNode } from "./cilium-node.ts";
import { ciliumNodeConfig } from "./cilium-node-config.ts";
import { ciliumPodIpPool } from "./cilium-pod-ip-pool.ts";
import { clusterNetworkPolicy } from "./cluster-network-policy.ts";
import { schemaVersion, schemaVersionLabel } from "./schema.ts";

export const definitions: readonly CustomResourceDefinition[] = [
  ciliumNode,
  ciliumNodeConfig,
  ciliumEndpoint,
  ciliumIdentity,
  ciliumNetworkPolicy,
  ciliumClusterwideNetworkPolicy,
  ciliumCidrGroup,
  clusterNetworkPolicy,
  ciliumLoadBalancerIpPool,
  ciliumLocalRedirectPolicy,
  ciliumPodIpPool,
];

/** Definitions of the kinds that policies are written in. */
export const policyDefinitions: readonly CustomResourceDefinition[] = [
  ciliumNetworkPolicy,
  ciliumClusterwideNetworkPolicy,
  ciliumCidrGroup,
  clusterNetworkPolicy,
];

export type InstallOutcome = "created" | "updated" | "kept";

/**
 * Creates the definition, or replaces an older one; a newer one (of an operator that is being rolled back) is
 * left alone, and so is one that others installed for a group that is not Cilium's. Resolves when its kind is served. @throws KubeError, the signal's reason
 */
export async function installDefinition(
  client: KubeClient,
  definition: CustomResourceDefinition,
  signal: AbortSignal,
): Promise<InstallOutcome> {
  const outcome = await write(client, definition, signal);
  const name = definition.metadata.name ?? "";
  while (!isEstablished(await read(client, name, signal))) await sleep(100, undefined, { signal });
  return outcome;
}

async function write(
  client: KubeClient,
  definition: CustomResourceDefinition,
  signal: AbortSignal,
): Promise<InstallOutcome> {
  const resource = resources.customResourceDefinitions;
  for (;;) {
    const existing = await read(client, definition.metadata.name ?? "", signal);
    try {
      if (!existing) {
        await client.create(resource, definition, { signal });
        return "created";
      }
      if (isForeign(existing) || compareVersions(versionOf(existing), schemaVersion) >= 0)
        return "kept";
      await client.replace(resource, replacement(existing, definition), { signal });
      return "updated";
    } catch (error) {
      // Another operator was faster: look again.
      if (!KubeError.isAlreadyExists(error) && !KubeError.isConflict(error)) throw error;
    }
  }
}

async function read(
  client: KubeClient,
  name: string,
  signal: AbortSignal,
): Promise<CustomResourceDefinition | undefined> {
  try {
    return await client.get(resources.customResourceDefinitions, name, { signal });
  } catch (error) {
    if (KubeError.isNotFound(error)) return undefined;
    throw error;
  }
}

function replacement(
  existing: CustomResourceDefinition,
  definition: CustomResourceDefinition,
): CustomResourceDefinition {
  const labels = { ...existing.metadata.labels, ...definition.metadata.labels };
  return { ...existing, metadata: { ...existing.metadata, labels }, spec: definition.spec };
}

function isEstablished(definition: CustomResourceDefinition | undefined): boolean {
  const conditions = definition?.status?.conditions ?? [];
  return conditions.some(({ type, status }) => type === "Established" && status === "True");
}

/** Of a group that is not Cilium's, and installed by somebody else: it is theirs to change. */
function isForeign({ spec, metadata }: CustomResourceDefinition): boolean {
  return spec.group !== "cilium.io" && metadata.labels?.[schemaVersionLabel] === undefined;
}

/** "" for a definition that does not say, which is older than all. */
function versionOf(definition: CustomResourceDefinition): string {
  return definition.metadata.labels?.[schemaVersionLabel] ?? "";
}

/** Order of versions "1.2.3" by their numbers. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [a, b].map((version) => version.split(".").map(Number)) as [
    number[],
    number[],
  ];
  for (let place = 0; place < 3; place++) {
    const difference = (left[place] ?? 0) - (right[place] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
