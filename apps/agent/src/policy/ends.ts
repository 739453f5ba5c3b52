// Who is meant by an end of traffic as people write it: "shop/cart", "10.0.0.1", "api.example.com", "world". Pods are found
// wherever in the cluster they are: their addresses are in the ipcache. Names have the addresses that pods of this node were told.
import type { Endpoint } from "@tsilium/endpoint/model.ts";
import { type Identity, ReservedIdentity, worldIdentity } from "@tsilium/identity/model.ts";
import type { IpcacheRow } from "@tsilium/ipcache/model.ts";
import { Address, type Family } from "@tsilium/net";
import type { NamedPort } from "@tsilium/policy/model.ts";
import type { Table } from "@tsilium/tables";
import type { AskedEnd } from "./questions.ts";

/** An end, with every address it may be met at. */
export type FoundEnd = {
  readonly name: string;
  readonly identity: number;
  readonly addresses: readonly Address[];
  /** Of a pod of this node. */
  readonly subject: number | undefined;
  readonly namedPorts: readonly NamedPort[];
};

export type Whereabouts = {
  readonly endpoints: Table<Endpoint>;
  readonly ipcache: {
    readonly table: Table<IpcacheRow>;
    lookup(address: Address): IpcacheRow | undefined;
  };
  readonly identities: Table<Identity>;
  readonly namedPorts: { of(identity: number): readonly NamedPort[] };
  /** What DNS answered pods of this node, newest first. */
  readonly names: { addressesOf(name: string): readonly Address[] };
  readonly dualStack: boolean;
};

/**
 * The end, or a sentence on why nobody is found.
 * @param family that its address is to be of, where a name has several; IPv4 before IPv6 unless given
 */
export function findEnd(
  text: string,
  whereabouts: Whereabouts,
  family?: Family,
): FoundEnd | string {
  const address = Address.tryParse(text);
  if (address) return atAddress(address, whereabouts);
  if (text.includes("/")) return podNamed(text, whereabouts);
  if (text.includes(".")) return hostNamed(text, whereabouts, family);
  return entityNamed(text, whereabouts);
}

/** Both ends as the worker is asked about them: at addresses of one family, where they have addresses. */
export function askedEnds(
  from: FoundEnd,
  to: FoundEnd,
  wanted: Family | undefined,
): { readonly from: AskedEnd; readonly to: AskedEnd } {
  const has = (end: FoundEnd, family: Family) =>
    end.addresses.length === 0 || end.addresses.some((address) => address.family === family);
  const families = wanted ? [wanted] : ([4, 6] as const);
  const family = families.find((one) => has(from, one) && has(to, one)) ?? wanted ?? 4;
  const asked = ({ identity, addresses, subject }: FoundEnd): AskedEnd => ({
    identity,
    address: addresses.find((address) => address.family === family)?.toString(),
    subject,
  });
  return { from: asked(from), to: asked(to) };
}

function atAddress(address: Address, whereabouts: Whereabouts): FoundEnd {
  const { endpoints, ipcache, dualStack } = whereabouts;
  const local = [...endpoints.values()].find(({ ipv4, ipv6 }) =>
    [ipv4, ipv6].some((own) => own?.equals(address)),
  );
  if (local) return { ...ofEndpoint(local, whereabouts), addresses: [address] };
  const row = ipcache.lookup(address);
  const identity = row?.identity ?? worldIdentity(address.family, dualStack);
  const name = row?.podName === undefined ? address.toString() : `${row.namespace}/${row.podName}`;
  return {
    name,
    identity,
    addresses: [address],
    subject: undefined,
    namedPorts: whereabouts.namedPorts.of(identity),
  };
}

/** Its newest address of a family: the other family's is another identity. */
function hostNamed(
  name: string,
  whereabouts: Whereabouts,
  wanted: Family | undefined,
): FoundEnd | string {
  const known = whereabouts.names.addressesOf(name);
  const families = wanted ? [wanted] : ([4, 6] as const);
  const [newest] = families.flatMap((one) => known.filter(({ family }) => family === one));
  if (newest) return { ...atAddress(newest, whereabouts), name };
  const address = wanted ? `IPv${wanted} address` : "address";
  return `no pod of this node was told an ${address} of ${name}: names are known on nodes whose pods a DNS rule has let look them up (tsilium --node NODE fqdn cache list)`;
}

function podNamed(name: string, whereabouts: Whereabouts): FoundEnd | string {
  const { endpoints, ipcache, namedPorts } = whereabouts;
  const [local] = endpoints
    .by("pod", name)
    .toSorted((a, b) => (a.createdAt < b.createdAt ? 1 : -1));
  if (local) return ofEndpoint(local, whereabouts);
  const rows = [...ipcache.table.values()].filter(
    ({ namespace, podName }) => podName !== undefined && `${namespace}/${podName}` === name,
  );
  const [first] = rows;
  if (!first) return unknownPod(name, whereabouts);
  return {
    name,
    identity: first.identity,
    addresses: rows.map(({ prefix }) => prefix.address),
    subject: undefined,
    namedPorts: namedPorts.of(first.identity),
  };
}

function ofEndpoint(endpoint: Endpoint, { namedPorts }: Whereabouts): FoundEnd {
  const { namespace, podName, id, identity, ipv4, ipv6, policy } = endpoint;
  return {
    name: podName === "" ? `endpoint ${id}` : `${namespace}/${podName}`,
    identity,
    addresses: [ipv4, ipv6].filter((address) => address !== undefined),
    subject: policy?.subject,
    namedPorts: namedPorts.of(identity),
  };
}

function entityNamed(name: string, whereabouts: Whereabouts): FoundEnd | string {
  const { dualStack } = whereabouts;
  if (name === "kube-apiserver") return apiServer(whereabouts);
  const isKnown = (text: string): text is keyof typeof ReservedIdentity => text in ReservedIdentity;
  const end = { name, addresses: [], subject: undefined, namedPorts: [] };
  if (name === "world") return { ...end, identity: worldIdentity(4, dualStack) };
  if (isKnown(name) && name !== "unknown") return { ...end, identity: ReservedIdentity[name] };
  const entities = Object.keys(ReservedIdentity).filter((known) => known !== "unknown");
  return `"${name}" is nobody: wanted NAMESPACE/POD, an address, a DNS name, or one of ${entities.join(", ")}`;
}

/** Where it is: on nodes of the cluster, or, outside, with an identity of this node's own. */
function apiServer({ ipcache, identities }: Whereabouts): FoundEnd {
  const rows = [...ipcache.table.values()].filter(({ identity }) =>
    identities.get(String(identity))?.labels.has("kube-apiserver", "reserved"),
  );
  return {
    name: "kube-apiserver",
    identity: rows[0]?.identity ?? ReservedIdentity["kube-apiserver"],
    addresses: rows.map(({ prefix }) => prefix.address),
    subject: undefined,
    namedPorts: [],
  };
}

/** With pods of the same name elsewhere, or of the same namespace, that may have been meant. */
function unknownPod(name: string, { ipcache }: Whereabouts): string {
  const [namespace, podName] = name.split("/");
  const pods = [...ipcache.table.values()].filter((row) => row.podName !== undefined);
  const likely = pods.filter((row) => row.podName === podName || row.namespace === namespace);
  const names = [...new Set(likely.map((row) => `${row.namespace}/${row.podName}`))].toSorted();
  const hint = names.length > 0 ? `; there are ${names.slice(0, 5).join(", ")}` : "";
  return `no pod ${name} has an address that this node knows of${hint} (pods on the host's network are host or remote-node)`;
}
