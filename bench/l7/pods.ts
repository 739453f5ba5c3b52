// Pairs of pods of one node in a lab, and what runs in their namespaces.
import { type CiliumNetworkPolicy, KubeError, type KubeObject, resources } from "@tsilium/kube";
import type { BenchLab } from "../lab/lab.ts";

export type Pair = {
  readonly client: PodEnd;
  readonly server: PodEnd;
};

export type PodEnd = {
  readonly name: string;
  readonly netns: string;
  readonly address: string;
};

type EndpointView = {
  readonly pod?: { readonly name: string };
  readonly container: { readonly netns: string };
  readonly addressing: { readonly ipv4: string };
};

const namespace = "default";

/** A client and a server of each label, all on node-1. Their labels: `app: LABEL-client`, `app: LABEL-server`. */
export async function pairsOf(lab: BenchLab, labels: readonly string[]): Promise<Pair[]> {
  const names = labels.flatMap((label) => [`${label}-client`, `${label}-server`]);
  for (const name of names)
    await lab.createPod({ name, namespace, labels: { app: name } }, "node-1");
  await lab.ready();
  const endpoints = await lab.ask<EndpointView[]>(
    "tsilium",
    "--node",
    "node-1",
    "endpoint",
    "list",
  );
  const end = (name: string): PodEnd => {
    const found = endpoints.find(({ pod }) => pod?.name === name);
    if (!found) throw new Error(`no endpoint of ${name}`);
    return { name, netns: found.container.netns, address: found.addressing.ipv4 };
  };
  return labels.map((label) => ({
    client: end(`${label}-client`),
    server: end(`${label}-server`),
  }));
}

/** Creates or replaces a CiliumNetworkPolicy; resolves with the API's answer. */
export async function writePolicy(lab: BenchLab, name: string, spec: object): Promise<KubeObject> {
  const object = {
    apiVersion: "cilium.io/v2",
    kind: "CiliumNetworkPolicy",
    metadata: { name, namespace },
    spec,
  } as CiliumNetworkPolicy;
  const signal = AbortSignal.timeout(10_000);
  const kind = resources.ciliumNetworkPolicies;
  try {
    const patch = { spec };
    return await lab.client.patch(kind, name, { type: "merge", patch, namespace, signal });
  } catch (error) {
    if (!(error instanceof KubeError) || error.status !== 404) throw error;
    return lab.client.create(kind, object, { signal });
  }
}

/** What requests a server takes from its client. */
export function ingressHttp(label: string, port: number, rules: readonly object[]): object {
  return {
    endpointSelector: { matchLabels: { app: `${label}-server` } },
    ingress: [
      {
        fromEndpoints: [{ matchLabels: { app: `${label}-client` } }],
        toPorts: [{ ports: [{ port: String(port), protocol: "TCP" }], rules: { http: rules } }],
      },
    ],
  };
}

/** What a client may ask its server. `names`: rules of toFQDNs besides. */
export function egressDns(
  label: string,
  rules: readonly object[],
  names: readonly object[] = [],
): object {
  return {
    endpointSelector: { matchLabels: { app: `${label}-client` } },
    egress: [
      {
        toEndpoints: [{ matchLabels: { app: `${label}-server` } }],
        toPorts: [{ ports: [{ port: "53", protocol: "ANY" }], rules: { dns: rules } }],
      },
      ...(names.length === 0 ? [] : [{ toFQDNs: names }]),
    ],
  };
}

type ProxyView = { readonly name: string; readonly pid?: number };
type NodeStatus = { readonly proxy?: { readonly proxies: readonly ProxyView[] } };

/** The process of a proxy of node-1: "engine-ingress", "dns", ... @throws Error when it does not run */
export async function proxyPid(lab: BenchLab, name: string): Promise<number> {
  const { proxy } = await lab.ask<NodeStatus>("tsilium", "--node", "node-1", "status");
  const pid = proxy?.proxies.find((one) => one.name === name)?.pid;
  if (pid === undefined) throw new Error(`${name} does not run`);
  return pid;
}
