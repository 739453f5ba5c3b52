// Who is who in a lab: addresses and identities in words, and what flows have to say of each pod.
import type { Lab } from "../harness.ts";
import { nodeAddress, worldAddresses } from "../services/service-lab.ts";

export type PodName = {
  readonly namespace: string;
  readonly name: string;
  readonly node: string;
  readonly endpointId: number;
  readonly identity: number;
  /** Of its workload; flows tell it on the pod's own node. */
  readonly workload: { readonly name: string; readonly kind: string };
};

/** As of one moment: pods that come later, or change, are not in it. */
export type Names = {
  /** By "namespace/name". */
  readonly pods: ReadonlyMap<string, PodName>;
  /** Address -> "client", "kube-system/kube-dns" of a Deployment's pod, "node-1", "router-1", "world", and what was given beside. */
  readonly addresses: ReadonlyMap<string, string>;
  /** Number -> labels. */
  readonly identities: ReadonlyMap<number, readonly string[]>;
};

type EndpointRow = {
  readonly id: number;
  readonly identity: { readonly id: number; readonly labels: readonly string[] };
  readonly addressing: { readonly ipv4?: string; readonly ipv6?: string };
  readonly pod?: { readonly namespace: string; readonly name: string };
};

type IdentityRow = { readonly id: number; readonly labels: readonly string[] };

/**
 * @param namespace whose pods are called by their names alone
 * @param more further addresses with names
 */
export async function namesOf(
  lab: Lab,
  nodes: readonly string[],
  namespace: string,
  more: Readonly<Record<string, string>> = {},
): Promise<Names> {
  const pods = new Map<string, PodName>();
  const addresses = new Map<string, string>(Object.entries(more));
  const identities = new Map<number, readonly string[]>();
  for (const family of [4, 6] as const) addresses.set(worldAddresses[family], "world");
  const rowsOf = async (node: string) => ({
    node,
    endpoints: lab.json<EndpointRow[]>("--node", node, "endpoint", "list"),
    identities: lab.json<IdentityRow[]>("--node", node, "identity", "list"),
    routers: Promise.all([routerOf(lab, node, 4), routerOf(lab, node, 6)]),
  });
  for (const each of await Promise.all(nodes.map(rowsOf))) {
    const { node } = each;
    for (const { id, identity, addressing, pod } of await each.endpoints) {
      if (!pod) continue;
      const workload = workloadOf(pod.name);
      const name =
        pod.namespace === namespace ? workload.name : `${pod.namespace}/${workload.name}`;
      pods.set(`${pod.namespace}/${pod.name}`, {
        ...pod,
        node,
        endpointId: id,
        identity: identity.id,
        workload,
      });
      for (const address of [addressing.ipv4, addressing.ipv6])
        if (address !== undefined) addresses.set(address, name);
    }
    for (const { id, labels } of await each.identities) identities.set(id, labels);
    for (const family of [4, 6] as const) addresses.set(nodeAddress(node, family), node);
    for (const router of await each.routers) addresses.set(router, node.replace("node", "router"));
  }
  return { pods, addresses, identities };
}

/** A Deployment's pod is called "NAME-HASH-RANDOM". */
export function workloadOf(pod: string): { readonly name: string; readonly kind: string } {
  const [, deployment] = /^(.+)-[bcdfghjklmnpqrstvwxz2456789]{6,10}-[a-z0-9]{5}$/.exec(pod) ?? [];
  return deployment === undefined
    ? { name: pod, kind: "Pod" }
    : { name: deployment, kind: "Deployment" };
}

/** The address by which a node routes its pods' packets. */
async function routerOf(lab: Lab, node: string, family: 4 | 6): Promise<string> {
  const show = ["ip", "-j", `-${family}`, "address", "show", "tsi_host", "scope", "global"];
  const [link] = JSON.parse((await lab.nodeExec(node, show)).stdout) as {
    addr_info: { local: string }[];
  }[];
  return link?.addr_info[0]?.local ?? "";
}

/** "world-ipv4", "host"; of pods "app=far"; or "identity 7" when nobody knows it. */
export function identityText(names: Names, identity: number): string {
  const labels = names.identities.get(identity);
  if (!labels) return `identity ${identity}`;
  const app = labels.find((label) => /^k8s:(k8s-)?app=/.test(label));
  return (
    app?.replace("k8s:", "") ?? labels.map((label) => label.replace("reserved:", "")).join("+")
  );
}
