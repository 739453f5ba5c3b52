// What the API server has, as far as networking depends on it. Secrets are not asked for.
import { type KubeClient, type Resource, resources } from "@tsilium/kube";
import type { Task } from "./collect.ts";

const kinds: readonly Resource[] = [
  resources.nodes,
  resources.namespaces,
  resources.pods,
  resources.services,
  resources.endpointSlices,
  resources.deployments,
  resources.replicaSets,
  resources.daemonSets,
  resources.events,
  resources.leases,
  resources.configMaps,
  resources.networkPolicies,
  resources.clusterNetworkPolicies,
  resources.ciliumNetworkPolicies,
  resources.ciliumClusterwideNetworkPolicies,
  resources.ciliumCidrGroups,
  resources.ciliumNodes,
  resources.ciliumNodeConfigs,
  resources.ciliumEndpoints,
  resources.ciliumIdentities,
  resources.ciliumLocalRedirectPolicies,
  resources.ciliumLoadBalancerIPPools,
  resources.ciliumPodIPPools,
];

export function clusterTasks(client: KubeClient): Task[] {
  return [
    ...kinds.map((kind): Task => ({
      name: `cluster/${kind.plural}${kind.group === "" ? "" : `.${kind.group}`}.json`,
      read: async (signal) => {
        const { items } = await client.list(kind, { signal });
        return { kind: "json", value: items.map((item) => ({ kind: kind.kind, ...item })) };
      },
    })),
    {
      name: "cluster/definitions.json",
      read: async (signal) => {
        const { items } = await client.list(resources.customResourceDefinitions, { signal });
        return {
          kind: "json",
          value: items.map(({ metadata, spec, status }) => ({
            name: metadata.name,
            labels: metadata.labels,
            versions: spec.versions.map(({ name, served, storage }) => ({ name, served, storage })),
            conditions: status?.conditions,
          })),
        };
      },
    },
    {
      name: "cluster/version.json",
      read: async (signal) => ({
        kind: "json",
        value: JSON.parse(await client.raw("/version", { signal })),
      }),
    },
  ];
}
