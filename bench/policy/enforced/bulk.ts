// Policies through the API.
import { type KubeClient, type Resource, resources } from "@tsilium/kube";
import { eachOf } from "../../lab/create.ts";
import type { PolicyObject } from "../workload/spread.ts";

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
