// Who is in a compiled cluster: pods with the identities and addresses that a real one would give them, the nodes, the
// API server, and the world.
import {
  labelFilter,
  localScopes,
  podIdentityLabels,
  ReservedIdentity,
  reservedIdentities,
} from "@tsilium/identity";
import { type Namespace, objectKey, type Pod } from "@tsilium/kube";
import { Address, Labels, Prefix } from "@tsilium/net";
import { parseSubjectAudit } from "@tsilium/policy";
import {
  type NamedPort,
  type PeerIdentity,
  portProtocols,
  type Subject,
} from "@tsilium/policy/model.ts";
import type { EngineInput } from "../engine/engine.ts";
import type { EngineSettings } from "../engine/settings.ts";
import type { Family } from "../model.ts";
import { apiServer, nodeAddress, podAddress } from "../network.ts";

export type Person = {
  readonly identity: number;
  readonly labels: Labels;
  readonly namedPorts: readonly NamedPort[];
  readonly subject: number;
  readonly addresses: Readonly<Partial<Record<Family, Address>>>;
};

export type People = Pick<EngineInput, "identities" | "subjects" | "addresses"> & {
  /** By "namespace/name"; pods in their node's network are not among them. */
  readonly pods: ReadonlyMap<string, Person>;
  labelsOf(identity: number): Labels;
};

export type PeopleOptions = {
  readonly pods: readonly Pod[];
  readonly namespaces: readonly Namespace[];
  readonly nodes: readonly string[];
  readonly settings: EngineSettings;
};

export function peopleOf({ pods, namespaces, nodes, settings }: PeopleOptions): People {
  const filter = labelFilter(settings.labels);
  const numbers = new Map<string, PeerIdentity>();
  const persons = new Map<string, Person>();
  const subjects: Subject[] = [];
  pods.forEach((pod, index) => {
    if (pod.spec.hostNetwork === true) return;
    const namespace = homeOf(pod, namespaces);
    const labels = podIdentityLabels({ pod, namespace, clusterName: settings.clusterName, filter });
    const namedPorts = namedPortsOf(pod);
    const { id: identity } = learn(numbers, labels, namedPorts);
    const audit = [pod, namespace].some((of) => parseSubjectAudit(of.metadata.annotations).audit);
    const subject = { id: index + 1, identity, labels, namedPorts, audit };
    subjects.push(subject);
    persons.set(objectKey(pod), {
      identity,
      labels,
      namedPorts,
      subject: subject.id,
      addresses: podAddresses(pod, index, settings.families),
    });
  });
  const server = apiServerOf(settings.families);
  const identities = [...others, ...server.identities, ...numbers.values()];
  const labels = new Map(identities.map((identity) => [identity.id, identity.labels]));
  return {
    identities,
    subjects,
    addresses: [
      ...[...persons.values()].flatMap(addressesOf),
      ...nodes.flatMap((node, at) => nodeAddresses(node, at, settings.families)),
      ...server.addresses,
    ],
    pods: persons,
    labelsOf: (identity) => labels.get(identity) ?? Labels.empty,
  };
}

/** As the API server has it: every namespace is labelled with its name. */
function homeOf({ metadata }: Pod, namespaces: readonly Namespace[]): Namespace {
  const { namespace: name = "default" } = metadata;
  const found = namespaces.find((one) => one.metadata.name === name);
  const labels = { ...found?.metadata.labels, "kubernetes.io/metadata.name": name };
  return { ...found, metadata: { ...found?.metadata, name, labels } };
}

const others: readonly PeerIdentity[] = reservedIdentities
  .filter(({ id }) => id !== ReservedIdentity.unknown)
  .map(({ id, labels }) => ({ id, labels, namedPorts: [] }));

const firstAllocated = 256;

/** The identity of these labels, which from now on has these ports too. */
function learn(
  numbers: Map<string, PeerIdentity>,
  labels: Labels,
  namedPorts: readonly NamedPort[],
): PeerIdentity {
  const before = numbers.get(labels.key);
  const isInit = labels.has("init", "reserved");
  const identity = {
    id: before?.id ?? (isInit ? ReservedIdentity.init : firstAllocated + numbers.size),
    labels,
    namedPorts: [...(before?.namedPorts ?? []), ...namedPorts],
  };
  numbers.set(labels.key, identity);
  return identity;
}

function namedPortsOf({ spec }: Pod): NamedPort[] {
  return spec.containers.flatMap(({ ports = [] }) =>
    ports.flatMap(({ name, containerPort, protocol = "TCP" }) =>
      name === undefined ? [] : [{ name, protocol: portProtocols[protocol], port: containerPort }],
    ),
  );
}

function podAddresses(
  { status }: Pod,
  index: number,
  families: readonly Family[],
): Person["addresses"] {
  const own = (status?.podIPs ?? []).map(({ ip }) => Address.parse(ip));
  const given = families.map((family) => {
    const found = own.find((address) => address.family === family);
    return [family, found ?? Address.parse(podAddress(index, family))] as const;
  });
  return Object.fromEntries(given);
}

function addressesOf({ identity, addresses }: Person): EngineInput["addresses"] {
  return Object.values(addresses).map((address) => ({ prefix: Prefix.host(address), identity }));
}

/** As the first node's agent has them. */
function nodeAddresses(
  node: string,
  index: number,
  families: readonly Family[],
): EngineInput["addresses"] {
  const identity = ReservedIdentity[index === 0 ? "host" : "remote-node"];
  return families.map((family) => ({
    prefix: Prefix.host(Address.parse(nodeAddress(node, family))),
    identity,
  }));
}

/** An API server that is on no node has, in each family, an identity of its own that is the world's as well. */
function apiServerOf(families: readonly Family[]): Pick<EngineInput, "identities" | "addresses"> {
  const isDual = families.length > 1;
  const identities = families.map((family, at) => ({
    id: localScopes.external + 1 + at,
    labels: Labels.parse([
      "reserved:kube-apiserver",
      isDual ? `reserved:world-ipv${family}` : "reserved:world",
    ]),
    namedPorts: [],
  }));
  const addresses = families.map((family, at) => ({
    prefix: Prefix.host(Address.parse(apiServer[family])),
    identity: (identities[at] as PeerIdentity).id,
  }));
  return { identities, addresses };
}
