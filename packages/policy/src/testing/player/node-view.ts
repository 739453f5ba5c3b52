// A scenario as the agent of one node sees it: identities with their numbers, subjects, who has which address.
import { initLabels, labelFilter, podIdentityLabels, reservedIdentities } from "@tsilium/identity";
import { Labels, Prefix } from "@tsilium/net";
import type { NamedPort, PeerIdentity, Subject } from "../../index.ts";
import type { Scenario } from "../generate/index.ts";
import type { Node, Pod, World } from "../naive/index.ts";

/** Who has an address or block, before policy's own prefixes are added. */
export type Owned = { readonly prefix: Prefix; readonly identity: number };

export type NodeView = {
  readonly identities: ReadonlyMap<number, PeerIdentity>;
  readonly subjects: ReadonlyMap<number, Subject>;
  /** Subject of each pod of the node, by "namespace/name". */
  readonly subjectOf: ReadonlyMap<string, number>;
  readonly owned: readonly Owned[];
};

/** Numbers for texts: the same number for the same text, and never one twice. */
export class Numbers {
  readonly #numbers = new Map<string, number>();
  #next: number;

  constructor(first: number) {
    this.#next = first;
  }

  of(text: string): number {
    const known = this.#numbers.get(text);
    if (known !== undefined) return known;
    this.#numbers.set(text, this.#next);
    return this.#next++;
  }
}

/** The numbers that a node gives out for as long as its agent lives. */
export class Numbering {
  readonly identities = new Numbers(256);
  readonly local = new Numbers((1 << 24) + 1);
  readonly nodes = new Numbers((2 << 24) + 1);
  readonly subjects = new Numbers(1);
}

const protocols = { TCP: 6, UDP: 17, SCTP: 132 } as const;

export function viewOf({ world }: Scenario, node: string, numbering: Numbering): NodeView {
  const identities = new Map<number, PeerIdentity>();
  const subjects = new Map<number, Subject>();
  const subjectOf = new Map<string, number>();
  const owned: Owned[] = [];
  const add = (id: number, labels: Labels, namedPorts: readonly NamedPort[] = []) => {
    const before = identities.get(id)?.namedPorts ?? [];
    identities.set(id, { id, labels, namedPorts: union(before, namedPorts) });
    return id;
  };
  const own = (addresses: readonly string[], identity: number) => {
    for (const address of addresses) owned.push({ prefix: hostPrefix(address), identity });
  };

  for (const { id, labels } of reservedIdentities) if (id !== 0) add(id, labels);
  for (const block of ["0.0.0.0/0", "::/0"])
    owned.push({ prefix: Prefix.parse(block), identity: worldIdentity(world, block) });
  for (const pod of world.pods) {
    const labels = labelsOf(world, pod);
    const id = pod.init ? 5 : numbering.identities.of(labels.key);
    const namedPorts = namedPortsOf(pod);
    own(pod.addresses, add(id, labels, namedPorts));
    if (pod.node !== node) continue;
    const rest = { identity: id, labels, namedPorts, audit: isAudited(world, pod) };
    const subject = { id: numbering.subjects.of(JSON.stringify(rest)), ...rest };
    subjects.set(subject.id, subject);
    subjectOf.set(`${pod.namespace}/${pod.name}`, subject.id);
  }
  for (const each of world.nodes) {
    const id = each.name === node ? 1 : numbering.nodes.of(each.name);
    own(each.addresses, add(id, nodeLabels(world, each, node)));
  }
  for (const { entity, addresses } of world.reserved ?? [])
    own(addresses, { health: 4, ingress: 8, unmanaged: 3 }[entity]);
  for (const address of world.apiServer ?? []) {
    if (world.nodes.some(({ addresses }) => addresses.includes(address))) continue;
    const labels = Labels.parse([
      "reserved:kube-apiserver",
      `reserved:${worldName(world, address)}`,
    ]);
    own([address], add(numbering.local.of(labels.key), labels));
  }
  return { identities, subjects, subjectOf, owned };
}

function hostPrefix(address: string): Prefix {
  return Prefix.parse(`${address}/${address.includes(":") ? 128 : 32}`);
}

function labelsOf(world: World, pod: Pod): Labels {
  if (pod.init) return initLabels;
  const { namespace: name, labels, serviceAccount } = pod;
  const namespace = world.namespaces.find((each) => each.name === name);
  return podIdentityLabels({
    pod: {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: pod.name, namespace: name, labels },
      spec: { containers: [], ...(serviceAccount ? { serviceAccountName: serviceAccount } : {}) },
    },
    namespace: {
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name, labels: namespace?.labels ?? {} },
    },
    clusterName: world.clusterName,
    filter: labelFilter(),
  });
}

/** With protocols as numbers. */
export function namedPortsOf({ namedPorts = [] }: Pod): NamedPort[] {
  return namedPorts.map(({ name, protocol, port }) => ({
    name,
    protocol: protocols[protocol],
    port,
  }));
}

function union(a: readonly NamedPort[], b: readonly NamedPort[]): NamedPort[] {
  const texts = new Set([...a, ...b].map((port) => JSON.stringify(port)));
  return [...texts].sort().map((text) => JSON.parse(text) as NamedPort);
}

function isAudited(world: World, pod: Pod): boolean {
  const namespace = world.namespaces.find(({ name }) => name === pod.namespace);
  return [pod, namespace].some(
    (object) => object?.annotations?.["policy.tsilium.io/enforcement"] === "audit",
  );
}

/** A node's own labels under a source of their own, which no pod's labels have. */
function nodeLabels(world: World, { name, labels, addresses }: Node, here: string): Labels {
  const isApiServer = addresses.some((address) => world.apiServer?.includes(address));
  return Labels.fromRecord("node", labels).with(
    Labels.parse([
      name === here ? "reserved:host" : "reserved:remote-node",
      ...(isApiServer ? ["reserved:kube-apiserver"] : []),
    ]),
  );
}

function worldName({ families }: World, address: string): string {
  if (families.length === 1) return "world";
  return address.includes(":") ? "world-ipv6" : "world-ipv4";
}

function worldIdentity(world: World, block: string): number {
  return { world: 2, "world-ipv4": 9, "world-ipv6": 10 }[worldName(world, block)] as number;
}
