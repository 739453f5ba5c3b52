// Services, understood as far as they can be: a field that is not what it should be is warned of and left out.
import { Prefix, type Family } from "@tsilium/net";
import type { LoadBalancerSettings, ServiceProtocol, ServiceWarning } from "../model.ts";
import { type NamedAddress, parseAddress } from "./address.ts";
import { Field, quoted } from "./field.ts";
import { type ObjectHead, parseHead } from "./metadata.ts";
import { parseProtocol } from "./protocol.ts";

export type ParsedPort = {
  readonly name: string;
  readonly port: number;
  readonly protocol: ServiceProtocol;
  readonly nodePort: number | undefined;
  readonly path: string;
};

export type TrafficPolicy = "Cluster" | "Local";

export type ParsedService = {
  readonly head: ObjectHead;
  readonly type: "ClusterIP" | "NodePort" | "LoadBalancer" | "ExternalName";
  readonly isHeadless: boolean;
  readonly ports: readonly ParsedPort[];
  readonly clusterIps: readonly NamedAddress[];
  readonly externalIps: readonly NamedAddress[];
  /** status.loadBalancer.ingress, without those that a proxy stands for (ipMode Proxy). */
  readonly ingress: readonly NamedAddress[];
  readonly families: readonly Family[];
  readonly externalTrafficPolicy: TrafficPolicy;
  readonly internalTrafficPolicy: TrafficPolicy;
  readonly affinityTimeoutS: number;
  /** undefined: the field is not there, or empty. */
  readonly sourceRanges: readonly Prefix[] | undefined;
  readonly healthCheckNodePort: number | undefined;
  readonly warnings: readonly ServiceWarning[];
};

const types = ["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"] as const;
const policies = ["Cluster", "Local"] as const;
const defaultAffinityS = 10_800;

/** undefined of what has no name. */
export function parseService(service: unknown): ParsedService | undefined {
  if (typeof service !== "object" || service === null) return undefined;
  const warnings: ServiceWarning[] = [];
  const head = parseHead(service, warnings);
  if (!head) return undefined;
  return parseSpec(head, service, warnings);
}

/** Whose service it is by label service.kubernetes.io/service-proxy-name. */
export function isOurs({ head }: ParsedService, settings: LoadBalancerSettings): boolean {
  const proxy = head.labels["service.kubernetes.io/service-proxy-name"] ?? "";
  return proxy === settings.serviceProxyName;
}

function parseSpec(head: ObjectHead, service: object, warnings: ServiceWarning[]): ParsedService {
  const spec = new Field(service, warnings).at("spec");
  const clusterIps = parseClusterIps(spec);
  return {
    head,
    type: spec.at("type").oneOf(types, "ClusterIP"),
    isHeadless: isHeadless(head, spec),
    ports: parsePorts(spec.at("ports")),
    clusterIps,
    externalIps: spec
      .at("externalIPs")
      .items()
      .flatMap((item) => parseAddress(item) ?? []),
    ingress: parseIngress(new Field(service, warnings)),
    families: parseFamilies(spec.at("ipFamilies"), clusterIps),
    externalTrafficPolicy: spec.at("externalTrafficPolicy").oneOf(policies, "Cluster"),
    internalTrafficPolicy: spec.at("internalTrafficPolicy").oneOf(policies, "Cluster"),
    affinityTimeoutS: parseAffinity(spec),
    sourceRanges: parseSourceRanges(spec.at("loadBalancerSourceRanges")),
    healthCheckNodePort: spec.at("healthCheckNodePort").integer(0, 65535) || undefined,
    warnings,
  };
}

function isHeadless(head: ObjectHead, spec: Field): boolean {
  const { clusterIP, clusterIPs } = (spec.value ?? {}) as Record<string, unknown>;
  const first: unknown = Array.isArray(clusterIPs) ? clusterIPs[0] : undefined;
  const isNone = (value: unknown) => typeof value === "string" && value.toLowerCase() === "none";
  return (
    head.labels["service.kubernetes.io/headless"] !== undefined ||
    isNone(clusterIP) ||
    isNone(first)
  );
}

/** clusterIP is the first of clusterIPs, and stands alone on old objects. */
function parseClusterIps(spec: Field): NamedAddress[] {
  const list = spec.at("clusterIPs").items();
  const fields = list.length > 0 ? list : [spec.at("clusterIP")];
  // "" is "not yet", "None" is headless.
  return fields
    .filter(({ value }) => value !== "" && value !== "None")
    .flatMap((field) => parseAddress(field) ?? []);
}

function parseFamilies(field: Field, clusterIps: readonly NamedAddress[]): Family[] {
  const named = field.items().flatMap((item): Family[] => {
    const text = item.text();
    if (text === "IPv4") return [4];
    if (text === "IPv6") return [6];
    item.warn("must be IPv4 or IPv6");
    return [];
  });
  return [...new Set(named.length > 0 ? named : clusterIps.map(({ address }) => address.family))];
}

function parsePorts(list: Field): ParsedPort[] {
  const ports = new Map<string, ParsedPort>();
  for (const item of list.items()) {
    const port = parsePort(item);
    if (!port) continue;
    const key = `${port.port}/${port.protocol}`;
    if (ports.has(key)) item.warn(`the service has port ${key} already`);
    else ports.set(key, port);
  }
  return [...ports.values()];
}

function parsePort(item: Field): ParsedPort | undefined {
  const protocol = parseProtocol(item.at("protocol").value);
  if (protocol === undefined) item.at("protocol").warn("must be TCP, UDP or SCTP");
  const port = item.at("port").integer(1, 65535);
  if (port === undefined || protocol === undefined) return undefined;
  return {
    name: item.at("name").text() ?? "",
    port,
    protocol,
    nodePort: item.at("nodePort").integer(0, 65535) || undefined,
    path: item.path,
  };
}

/** KEP-1860: to an address with ipMode Proxy, clients of the cluster go as to any other. */
function parseIngress(service: Field): NamedAddress[] {
  return service
    .at("status")
    .at("loadBalancer")
    .at("ingress")
    .items()
    .filter((item) => (item.at("ipMode").value ?? "VIP") === "VIP" && item.at("ip").value !== "")
    .flatMap((item) => parseAddress(item.at("ip")) ?? []);
}

/** Seconds, 0: none. */
function parseAffinity(spec: Field): number {
  if (spec.at("sessionAffinity").oneOf(["None", "ClientIP"], "None") === "None") return 0;
  const timeout = spec.at("sessionAffinityConfig").at("clientIP").at("timeoutSeconds");
  return timeout.integer(1, 86_400) ?? defaultAffinityS;
}

/** Never wider than what is written: of a list in which nothing is a CIDR, nobody is let in. */
function parseSourceRanges(list: Field): Prefix[] | undefined {
  const items = list.items();
  const isRestricted = items.length > 0 || (list.isGiven && !Array.isArray(list.value));
  if (!isRestricted) return undefined;
  return items.flatMap((item) => {
    const text = item.text();
    const prefix = text === undefined ? undefined : Prefix.tryParse(text.trim(), { mask: true });
    if (text !== undefined && !prefix) item.warn(`${quoted(text)} is not a CIDR`);
    return prefix ?? [];
  });
}
