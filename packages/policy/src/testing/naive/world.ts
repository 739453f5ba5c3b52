// The world as the naive evaluator sees it: who there is, with what labels and addresses. Plain data, no type of ours
// from outside this folder, so that nothing that parses or compiles policy can be wrong in the same way here.

export type Family = 4 | 6;
export type KubeLabels = Readonly<Record<string, string>>;

export type Namespace = {
  readonly name: string;
  readonly labels: KubeLabels;
  readonly annotations?: KubeLabels;
};

export type NamedPort = {
  readonly name: string;
  readonly protocol: "TCP" | "UDP" | "SCTP";
  readonly port: number;
};

export type Pod = {
  readonly namespace: string;
  readonly name: string;
  readonly labels: KubeLabels;
  readonly annotations?: KubeLabels;
  readonly serviceAccount?: string;
  /** One of each family that the cluster has. */
  readonly addresses: readonly string[];
  /** Name of its node. */
  readonly node: string;
  readonly namedPorts?: readonly NamedPort[];
  /** True: its agent has not heard of its labels yet, so it is `reserved:init` and nothing else. */
  readonly init?: boolean;
};

export type Node = {
  readonly name: string;
  readonly labels: KubeLabels;
  readonly addresses: readonly string[];
  /** From which it talks to pods, where that are others: those that it has in the pod network. */
  readonly sources?: readonly string[];
};

/** Addresses in the cluster that are neither pod nor node: Cilium's health and ingress endpoints, unmanaged pods. */
export type ReservedParty = {
  readonly entity: "health" | "ingress" | "unmanaged";
  readonly addresses: readonly string[];
};

export type World = {
  readonly clusterName: string;
  readonly families: readonly Family[];
  readonly namespaces: readonly Namespace[];
  readonly pods: readonly Pod[];
  readonly nodes: readonly Node[];
  readonly reserved?: readonly ReservedParty[];
  /** Addresses of the API server: a node's, or outside the cluster. */
  readonly apiServer?: readonly string[];
};

export type Settings = {
  readonly enablePolicy: "default" | "always" | "never";
  readonly allowLocalhost: boolean;
  readonly cidrMatchMode: readonly ("nodes" | "pods")[];
  /** k8s-ipblock-match: "external" makes ipBlock a CIDR rule like Cilium's. */
  readonly ipBlock: "any" | "external";
  /** policy-audit-mode. */
  readonly audit: boolean;
};

export const defaultSettings: Settings = {
  enablePolicy: "default",
  allowLocalhost: true,
  cidrMatchMode: [],
  ipBlock: "any",
  audit: false,
};

/** Who a packet is from or for. What is no pod, node or reserved party is the address of somebody outside. */
export type Party =
  | { readonly kind: "pod"; readonly pod: Pod }
  | { readonly kind: "node"; readonly node: Node }
  | { readonly kind: "reserved"; readonly reserved: ReservedParty }
  | { readonly kind: "outside"; readonly address: string };

export type Protocol = "TCP" | "UDP" | "SCTP" | "ICMP";

export type Question = {
  readonly from: Party;
  readonly to: Party;
  readonly family: Family;
  readonly protocol: Protocol;
  /** Of the destination; the type of an ICMP message. */
  readonly port: number;
};

export function familyOf(address: string): Family {
  return address.includes(":") ? 6 : 4;
}

/** A party's address of a family; undefined when it has none. */
export function addressOf(party: Party, family: Family): string | undefined {
  return addressesOf(party).find((address) => familyOf(address) === family);
}

function addressesOf(party: Party): readonly string[] {
  switch (party.kind) {
    case "pod":
      return party.pod.addresses;
    case "node":
      return party.node.addresses;
    case "reserved":
      return party.reserved.addresses;
    case "outside":
      return [party.address];
  }
}

/** "x/a", "node-1", "health", "203.0.113.10". */
export function partyName(party: Party): string {
  switch (party.kind) {
    case "pod":
      return `${party.pod.namespace}/${party.pod.name}`;
    case "node":
      return party.node.name;
    case "reserved":
      return party.reserved.entity;
    case "outside":
      return party.address;
  }
}

/** Everybody that the world names, and these addresses outside. */
export function partiesOf(world: World, outside: readonly string[] = []): Party[] {
  return [
    ...world.pods.map((pod): Party => ({ kind: "pod", pod })),
    ...world.nodes.map((node): Party => ({ kind: "node", node })),
    ...(world.reserved ?? []).map((reserved): Party => ({ kind: "reserved", reserved })),
    ...outside.map((address): Party => ({ kind: "outside", address })),
  ];
}
