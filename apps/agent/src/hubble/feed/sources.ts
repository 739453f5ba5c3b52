// Everything that flows are told with, from the agent's tables.
//
//   own node, devices, nodes --------\
//   identities, winners of the ipcache > sources --items--> outbox --> worker
//   endpoints with pods' workloads ---/
//   frontends of services -----------/
import type { Endpoint } from "@tsilium/endpoint/model.ts";
import type { Identity } from "@tsilium/identity/model.ts";
import type { IpcacheRow } from "@tsilium/ipcache/model.ts";
import { type Node as KubeNode, objectKey, type Pod } from "@tsilium/kube";
import type { Node } from "@tsilium/node/model.ts";
import type { Table } from "@tsilium/tables";
import type { FeedItem } from "./model.ts";
import { type FeedSource, tableSource } from "./source.ts";
import { workloadsOf } from "./workload.ts";

export type NodeTables = {
  readonly self: Omit<Extract<FeedItem, { kind: "self" }>, "kind" | "nodeLabels">;
  /** This node's Node. */
  readonly ownNode: Table<KubeNode>;
  /** Name and index of each device when asked. */
  readonly devices: () => readonly { readonly index: number; readonly name: string }[];
  /** Calls back when the underlay has others. */
  readonly onDevices: (listener: () => void) => Disposable;
  readonly nodes: Table<Node>;
  readonly identities: Table<Identity>;
  readonly ipcache: Table<IpcacheRow>;
  /** Indexed by "pod". */
  readonly endpoints: Table<Endpoint>;
  /** Of this node, keyed "namespace/name". */
  readonly pods: Table<Pod>;
  readonly frontends: FeedSource;
};

/** In the order in which a worker is to hear of them. */
export function feedSources(tables: NodeTables): FeedSource[] {
  const { nodes, identities, ipcache, frontends } = tables;
  return [
    selfSource(tables),
    deviceSource(tables),
    tableSource(nodes, {
      present: ({ name, local, ipv4, ipv6 }) => ({
        kind: "node",
        name,
        local,
        ipv4: ipv4?.toString(),
        ipv6: ipv6?.toString(),
      }),
      gone: ({ name }) => ({ kind: "node-gone", name }),
    }),
    tableSource(identities, {
      present: ({ id, labels }) => ({ kind: "identity", id, labels: labels.toArray() }),
      gone: ({ id }) => ({ kind: "identity-gone", id }),
    }),
    tableSource(ipcache, {
      present: ({ prefix, identity, hostIp, namespace = "", podName = "" }) => ({
        kind: "address",
        prefix: prefix.toString(),
        identity,
        hostIp: hostIp?.toString(),
        namespace,
        podName,
      }),
      gone: ({ prefix }) => ({ kind: "address-gone", prefix: prefix.toString() }),
    }),
    frontends,
    endpointSource(tables),
  ];
}

function selfSource({ self, ownNode }: NodeTables): FeedSource {
  const item = (): FeedItem => {
    const [node] = ownNode.values();
    const nodeLabels = Object.entries(node?.metadata.labels ?? {})
      .map(([key, value]) => `${key}=${value}`)
      .toSorted();
    return { kind: "self", ...self, nodeLabels };
  };
  return {
    items: () => [item()],
    follow: (say) => ownNode.subscribe(() => say(item())),
  };
}

/** Pods' devices are told with their endpoints; of others the underlay's change. */
function deviceSource({ devices, onDevices }: NodeTables): FeedSource {
  const items = (): FeedItem[] =>
    devices().map(({ index, name }) => ({ kind: "interface", index, name }));
  return {
    items,
    follow: (say) =>
      onDevices(() => {
        for (const item of items()) say(item);
      }),
  };
}

function endpointSource({ endpoints, pods }: NodeTables): FeedSource {
  const present = (endpoint: Endpoint): FeedItem => {
    const { id, identity, labels, namespace, podName, ifindex, interfaceName, netnsCookie } =
      endpoint;
    const pod = pods.get(`${namespace}/${podName}`);
    return {
      kind: "endpoint",
      id,
      identity,
      labels: labels.toArray(),
      namespace,
      podName,
      workloads: pod ? workloadsOf(pod) : [],
      ipv4: endpoint.ipv4?.toString(),
      ipv6: endpoint.ipv6?.toString(),
      ifindex,
      interfaceName,
      netnsCookie,
    };
  };
  const rows = tableSource(endpoints, {
    present,
    gone: ({ id }) => ({ kind: "endpoint-gone", id }),
  });
  return {
    items: () => rows.items(),
    follow: (say) => {
      const subscriptions = new DisposableStack();
      subscriptions.use(rows.follow(say));
      subscriptions.use(
        pods.subscribe(({ kind, row, previous }) => {
          // A pod's status changes often, who controls it never; but its endpoint may have come first.
          if (kind !== "upsert" || previous) return;
          for (const endpoint of endpoints.by("pod", objectKey(row))) say(present(endpoint));
        }),
      );
      return subscriptions;
    },
  };
}
