// The records of a cluster (Kubernetes' DNS specification 1.1.0), from Services, EndpointSlices and Pods. Pure.
//
//   SERVICE.NS.svc.cluster.local               cluster IPs, or a headless service's ready endpoints
//   HOST.SERVICE.NS.svc.cluster.local          one endpoint of a headless service
//   _PORT._PROTO.SERVICE.NS.svc.cluster.local  SRV
//   10-1-2-3.NS.pod.cluster.local              a pod that there is
//   addresses under in-addr.arpa and ip6.arpa  PTR
import { Address } from "@tsilium/net";
import type { EndpointSlice, Pod, Service, SliceEndpoint } from "@tsilium/kube";
import { type DnsRecord, type Question, types } from "./message.ts";
import { type Name, parseName } from "./name.ts";
import { addressOfReverseName } from "./reverse.ts";

/** What the cluster consists of, by the keys that names ask for. */
export type ClusterView = {
  service(namespace: string, name: string): Service | undefined;
  /** Services that have the address as a cluster IP. */
  servicesByAddress(address: string): readonly Service[];
  slices(namespace: string, service: string): readonly EndpointSlice[];
  slicesByAddress(address: string): readonly EndpointSlice[];
  podsByAddress(address: string): readonly Pod[];
  hasNamespace(name: string): boolean;
};

/** `exists` with no records: the name is there, but not with this type (NODATA). */
export type Found = {
  readonly exists: boolean;
  readonly records: readonly DnsRecord[];
  readonly additional?: readonly DnsRecord[];
};

const ttl = 5;
const none: Found = { exists: false, records: [] };
const nameAlone: Found = { exists: true, records: [] };

/** @param rest the labels before the cluster's domain */
export function findInCluster(
  rest: Name,
  question: Question,
  { view, domain }: { readonly view: ClusterView; readonly domain: Name },
): Found {
  const kind = rest.at(-1);
  if (kind === undefined || rest.length === 1) return named(rest, question);
  const namespace = rest.at(-2) as string;
  if (!view.hasNamespace(namespace)) return none;
  const inner = rest.slice(0, -2);
  if (inner.length === 0) return kind === "svc" || kind === "pod" ? nameAlone : none;
  if (kind === "pod")
    return inner.length === 1 ? findPod(inner[0] as string, namespace, { question, view }) : none;
  if (kind !== "svc") return none;
  const service = view.service(namespace, inner.at(-1) as string);
  return service ? findService(inner.slice(0, -1), service, { question, view, domain }) : none;
}

/** The names of an address; undefined when it is not the cluster's, and somebody else is to be asked. */
export function findReverse(
  question: Question,
  { view, domain }: { readonly view: ClusterView; readonly domain: Name },
): Found | undefined {
  const address = addressOfReverseName(question.name)?.toString();
  if (address === undefined) return undefined;
  const services = view.servicesByAddress(address).map((service) => serviceName(service, domain));
  const endpoints = view.slicesByAddress(address).flatMap((slice) => {
    const name = slice.metadata.labels?.["kubernetes.io/service-name"];
    const { namespace } = slice.metadata;
    return (slice.endpoints ?? [])
      .filter(({ addresses, hostname }) => hostname && addresses.includes(address))
      .map(({ hostname }) => [hostname as string, name ?? "", namespace ?? "", "svc", ...domain]);
  });
  const targets = [...services, ...endpoints];
  if (targets.length === 0) return view.podsByAddress(address).length > 0 ? nameAlone : undefined;
  const records = targets.map((target) => ({
    name: question.name,
    ttl,
    type: "PTR" as const,
    target,
  }));
  return { exists: true, records: wants(question, "PTR") ? records : [] };
}

function named(rest: Name, question: Question): Found {
  const [label] = rest;
  if (label === undefined || label === "svc" || label === "pod") return nameAlone;
  if (label !== "dns-version") return none;
  const record = { name: question.name, ttl, type: "TXT", texts: ["1.1.0"] } as const;
  return { exists: true, records: wants(question, "TXT") ? [record] : [] };
}

type Context = { readonly question: Question; readonly view: ClusterView };
type ZoneContext = Context & { readonly domain: Name };

function findPod(label: string, namespace: string, { question, view }: Context): Found {
  const address = addressOfLabel(label);
  if (!address) return none;
  const there = view
    .podsByAddress(address.toString())
    .some((pod) => pod.metadata.namespace === namespace);
  return there ? { exists: true, records: addressRecords(question, [address]) } : none;
}

/** "10-1-2-3" or "fd00-10-244--7": an address whose separators became dashes. */
function addressOfLabel(label: string): Address | undefined {
  return (
    Address.tryParse(label.replaceAll("-", ".")) ?? Address.tryParse(label.replaceAll("-", ":"))
  );
}

function findService(inner: Name, service: Service, context: ZoneContext): Found {
  const { question } = context;
  const { type, externalName } = service.spec;
  if (type === "ExternalName") {
    if (inner.length > 0 || !externalName) return none;
    const target = parseName(externalName);
    return { exists: true, records: [{ name: question.name, ttl, type: "CNAME", target }] };
  }
  if (inner.length === 2 && inner.every((label) => label.startsWith("_")))
    return findPort(inner, service, context);
  if (inner.length === 0)
    return { exists: true, records: addressRecords(question, addressesOf(service, context)) };
  return isHeadless(service) && inner.length === 1
    ? findEndpoint(inner[0] as string, service, context)
    : none;
}

function addressesOf(service: Service, context: Context): Address[] {
  if (!isHeadless(service)) return (service.spec.clusterIPs ?? []).flatMap(parseAddress);
  return readyEndpoints(service, context).flatMap(({ addresses }) =>
    addresses.flatMap(parseAddress),
  );
}

function findEndpoint(label: string, service: Service, context: ZoneContext): Found {
  const found = readyEndpoints(service, context).filter((endpoint) =>
    labelsOf(endpoint).includes(label),
  );
  if (found.length === 0) return none;
  const addresses = found.flatMap((endpoint) =>
    // A host name stands for all of an endpoint's addresses, an address label for itself.
    endpoint.hostname === label
      ? endpoint.addresses
      : endpoint.addresses.filter((text) => addressLabel(text) === label),
  );
  return {
    exists: true,
    records: addressRecords(context.question, addresses.flatMap(parseAddress)),
  };
}

function findPort([port, protocol]: Name, service: Service, context: ZoneContext): Found {
  const { question, domain } = context;
  const matches = (entry: { readonly name?: string; readonly protocol?: string }) =>
    `_${entry.name}` === port && `_${(entry.protocol ?? "TCP").toLowerCase()}` === protocol;
  const ports = isHeadless(service)
    ? headlessPorts(service, context).filter(matches)
    : (service.spec.ports ?? []).filter(matches).map((entry) => ({
        ...entry,
        target: serviceName(service, domain),
        addresses: addressesOf(service, context),
      }));
  if (ports.length === 0) return none;
  if (!wants(question, "SRV")) return nameAlone;
  const weight = Math.max(1, Math.floor(100 / ports.length));
  return {
    exists: true,
    records: ports.map((entry) => ({
      name: question.name,
      ttl,
      type: "SRV" as const,
      priority: 0,
      weight,
      port: entry.port,
      target: entry.target,
    })),
    additional: ports.flatMap(({ target, addresses }) =>
      addresses.map((address) => addressRecord(target, address)),
    ),
  };
}

type NamedPort = {
  readonly name?: string;
  readonly protocol?: string;
  readonly port: number;
  readonly target: Name;
  readonly addresses: readonly Address[];
};

function headlessPorts(service: Service, { view, domain }: ZoneContext): NamedPort[] {
  const base = serviceName(service, domain);
  return slicesOf(service, view).flatMap((slice) =>
    (slice.ports ?? []).flatMap(({ port, ...rest }) =>
      port === undefined
        ? []
        : (slice.endpoints ?? [])
            .filter((endpoint) => isReady(endpoint, service))
            .map((endpoint) => ({
              ...rest,
              port,
              target: [labelsOf(endpoint)[0] as string, ...base],
              addresses: endpoint.addresses.flatMap(parseAddress),
            })),
    ),
  );
}

function readyEndpoints(service: Service, { view }: Context): SliceEndpoint[] {
  return slicesOf(service, view).flatMap((slice) =>
    (slice.endpoints ?? []).filter((endpoint) => isReady(endpoint, service)),
  );
}

function slicesOf({ metadata }: Service, view: ClusterView): readonly EndpointSlice[] {
  return view.slices(metadata.namespace ?? "", metadata.name ?? "");
}

function isReady({ conditions }: SliceEndpoint, { spec }: Service): boolean {
  // Absent means ready (discovery.k8s.io/v1).
  return (conditions?.ready ?? true) || spec.publishNotReadyAddresses === true;
}

function labelsOf({ hostname, addresses }: SliceEndpoint): string[] {
  return [...(hostname ? [hostname] : []), ...addresses.map(addressLabel)];
}

function addressLabel(address: string): string {
  return address.replaceAll(/[.:]/g, "-");
}

function isHeadless({ spec }: Service): boolean {
  return spec.clusterIP === "None";
}

function serviceName({ metadata }: Service, domain: Name): Name {
  return [metadata.name ?? "", metadata.namespace ?? "", "svc", ...domain];
}

function addressRecords(question: Question, addresses: readonly Address[]): DnsRecord[] {
  return addresses
    .filter(({ family }) => wants(question, family === 4 ? "A" : "AAAA"))
    .map((address) => addressRecord(question.name, address));
}

/** One address as a record. */
export function addressRecord(name: Name, address: Address, seconds = ttl): DnsRecord {
  return { name, ttl: seconds, type: address.family === 4 ? "A" : "AAAA", address: address.bytes };
}

/** Whether a question asks for this type. */
export function wants({ type }: Question, wanted: keyof typeof types): boolean {
  return type === types[wanted] || type === types.ANY;
}

function parseAddress(text: string): Address[] {
  const address = Address.tryParse(text);
  return address ? [address] : [];
}
