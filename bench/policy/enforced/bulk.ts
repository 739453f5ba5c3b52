// Thousands of objects through the API, a few at a time.
import { type KubeClient, type KubeObject, type Resource, resources } from "@tsilium/kube";
import type { PolicyObject } from "../workload/spread.ts";

const parallel = 16;

/** Creates them all. @throws KubeError of the first that was refused */
export async function createAll<T extends KubeObject>(
  client: KubeClient,
  resource: Resource<T>,
  objects: readonly T[],
): Promise<void> {
  await eachOf(objects, (object) =>
    client.create(resource, object, { signal: AbortSignal.timeout(30_000) }),
  );
}

export async function createPolicies(
  client: KubeClient,
  policies: readonly PolicyObject[],
): Promise<void> {
  await eachOf(policies, (policy) =>
    client.create(resourceOf(policy), policy, { signal: AbortSignal.timeout(30_000) }),
  );
}

export async function deletePolicies(
  client: KubeClient,
  policies: readonly PolicyObject[],
): Promise<void> {
  await eachOf(policies, (policy) => {
    const { namespace, name = "" } = policy.metadata;
    return client.delete(resourceOf(policy), name, {
      namespace,
      signal: AbortSignal.timeout(30_000),
    });
  });
}

function resourceOf({ kind }: PolicyObject): Resource<PolicyObject> {
  return kind === "NetworkPolicy" ? resources.networkPolicies : resources.ciliumNetworkPolicies;
}

async function eachOf<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  const waiting = items.values();
  const line = async () => {
    for (const item of waiting) await work(item);
  };
  await Promise.all(Array.from({ length: parallel }, line));
}
