// The cluster as the naive evaluator is told of it: labels as they were applied, addresses as the lab gave them.
import type {
  NamedPort,
  RawObject,
  World,
} from "../../../packages/policy/src/testing/naive/index.ts";
import type { PodObject } from "../harness.ts";
import { nodeNames, nodeOfPod, ports } from "./state.ts";

/** Every pod serves the same. */
const namedPorts: readonly NamedPort[] = ports.flatMap((port) =>
  (["TCP", "UDP"] as const).map((protocol) => ({
    name: `serve-${port}-${protocol.toLowerCase()}`,
    protocol,
    port,
  })),
);

/** Of the kinds Node and CiliumNode. */
export type NodeObject = {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> };
  readonly spec?: {
    readonly addresses?: readonly { readonly type: string; readonly ip: string }[];
  };
};

/** What the API server says of pods (also those in the nodes' own network) and nodes. */
export type Live = { readonly pods: readonly PodObject[]; readonly nodes: readonly NodeObject[] };

/** `applied`: namespaces and pods. */
export function worldOf(
  applied: readonly RawObject[],
  live: Live,
  { fromRouter }: { readonly fromRouter: boolean },
): World {
  const addresses = new Map(
    live.pods.map(({ metadata, status }) => [
      `${metadata.namespace}/${metadata.name}`,
      (status.podIPs ?? []).map(({ ip }) => ip),
    ]),
  );
  const ofKind = (wanted: string) =>
    applied.filter(({ kind }) => kind === wanted).map(({ metadata }) => metadata);
  return {
    clusterName: "default",
    families: [4, 6],
    namespaces: ofKind("Namespace").map(({ name, labels }) => ({
      name,
      labels: { ...labels, "kubernetes.io/metadata.name": name },
    })),
    pods: ofKind("Pod").map(({ namespace = "", name, labels = {} }) => ({
      namespace,
      name,
      labels,
      serviceAccount: "default",
      addresses: addresses.get(`${namespace}/${name}`) ?? [],
      node: nodeOfPod[name] ?? "",
      namedPorts,
    })),
    nodes: nodeNames.map((name) => ({
      name,
      labels: nodeObject(live, "Node", name)?.metadata.labels ?? {},
      addresses: addresses.get(`hosts/${name}`) ?? [],
      sources: fromRouter ? routerAddresses(live, name) : [],
    })),
  };
}

function routerAddresses(live: Live, name: string): string[] {
  const addresses = nodeObject(live, "CiliumNode", name)?.spec?.addresses ?? [];
  return addresses.filter(({ type }) => type === "CiliumInternalIP").map(({ ip }) => ip);
}

function nodeObject({ nodes }: Live, kind: string, name: string): NodeObject | undefined {
  return nodes.find((node) => node.kind === kind && node.metadata.name === name);
}
