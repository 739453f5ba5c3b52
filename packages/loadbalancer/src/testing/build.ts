// Objects and surroundings for tests, each with the parts that a case is not about.
import type { EndpointSlice, Pod, Service, SliceEndpoint } from "@tsilium/kube";
import { Address, Prefix } from "@tsilium/net";
import type { ServiceContext } from "../decide/context.ts";
import type { LoadBalancerSettings, NodeFacts } from "../model.ts";

/** Everything on. */
export const settings: LoadBalancerSettings = {
  enableIpv4: true,
  enableIpv6: true,
  nodePort: true,
  externalIps: true,
  hostPort: true,
  nodePortRange: [30_000, 32_767],
  nodePortAddresses: [],
  mode: "snat",
  modeAnnotation: true,
  algorithm: "random",
  algorithmAnnotation: true,
  externalClusterIp: false,
  sourceRangeAllTypes: false,
  noBackendResponse: "reject",
  serviceTopology: true,
  localRedirectPolicy: true,
  serviceProxyName: "",
};

/** node-1 of three, in zone a. */
export const facts: NodeFacts = {
  name: "node-1",
  zone: "a",
  labels: { "topology.kubernetes.io/zone": "a" },
  addresses: ["172.18.0.2", "fc00:18::2"].map((text) => Address.parse(text)),
  clusterAddresses: new Set([2, 3, 4].flatMap((last) => [`172.18.0.${last}`, `fc00:18::${last}`])),
  podCidrs: ["10.244.0.0/16", "fd00:10:244::/56"].map((text) => Prefix.parse(text)),
  apiServers: [{ address: Address.parse("172.18.0.4"), port: 6443 }],
};

export const context: ServiceContext = { settings, facts };

export function contextWith(change: {
  readonly settings?: Partial<LoadBalancerSettings>;
  readonly facts?: Partial<NodeFacts>;
}): ServiceContext {
  return {
    settings: { ...settings, ...change.settings },
    facts: { ...facts, ...change.facts },
  };
}

export type ServiceParts = {
  readonly name?: string;
  readonly namespace?: string;
  /** Seconds since 1970. */
  readonly age?: number;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly spec?: Partial<Service["spec"]>;
  readonly ingress?: readonly object[];
};

/** A ClusterIP service shop/web at 10.96.0.10, port 80. */
export function service(parts: ServiceParts = {}): Service {
  const { name = "web", namespace = "shop", age = 1_000_000, annotations, labels } = parts;
  return {
    metadata: {
      name,
      namespace,
      creationTimestamp: new Date(age * 1000).toISOString(),
      ...(annotations ? { annotations } : {}),
      ...(labels ? { labels } : {}),
    },
    spec: {
      type: "ClusterIP",
      clusterIP: "10.96.0.10",
      clusterIPs: parts.spec?.clusterIP === undefined ? ["10.96.0.10"] : [parts.spec.clusterIP],
      ports: [{ port: 80, protocol: "TCP" }],
      ...parts.spec,
    },
    ...(parts.ingress ? { status: { loadBalancer: { ingress: parts.ingress } } } : {}),
  };
}

/** "10.244.1.1", then what is not as usual: ready, on the node that its address says. */
export function endpoint(address: string, parts: Partial<SliceEndpoint> = {}): SliceEndpoint {
  const node = /^(?:10\.244\.|fd00:10:244:)([0-9]+)/.exec(address)?.[1];
  return {
    addresses: [address],
    conditions: { ready: true },
    ...(node === undefined ? {} : { nodeName: `node-${node}` }),
    ...parts,
  };
}

export const notReady = { conditions: { ready: false } };
export const terminating = { conditions: { ready: false, serving: true, terminating: true } };
export const dying = { conditions: { ready: false, serving: false, terminating: true } };

export type SliceParts = {
  readonly name?: string;
  readonly service?: string;
  readonly namespace?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly addressType?: EndpointSlice["addressType"];
  readonly ports?: EndpointSlice["ports"];
};

/** Of shop/web, port 8080 for its unnamed port. */
export function slice(
  endpoints: readonly (SliceEndpoint | string)[],
  parts: SliceParts = {},
): EndpointSlice {
  const list = endpoints.map((each) => (typeof each === "string" ? endpoint(each) : each));
  const isIpv6 = list[0]?.addresses[0]?.includes(":") ?? false;
  const { name = isIpv6 ? "web-v6" : "web-v4", namespace = "shop" } = parts;
  return {
    metadata: {
      name,
      namespace,
      labels: { "kubernetes.io/service-name": parts.service ?? "web" },
      ...(parts.annotations ? { annotations: parts.annotations } : {}),
    },
    addressType: parts.addressType ?? (isIpv6 ? "IPv6" : "IPv4"),
    endpoints: list,
    ports: parts.ports ?? [{ name: "", port: 8080, protocol: "TCP" }],
  };
}

export type PodParts = {
  readonly name?: string;
  readonly namespace?: string;
  readonly age?: number;
  readonly node?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly phase?: string;
  readonly ready?: boolean;
  readonly deleted?: boolean;
  readonly hostNetwork?: boolean;
  readonly ips?: readonly string[];
  readonly ports?: readonly object[];
};

/** shop/front on node-1, running and ready. */
export function pod(parts: PodParts = {}): Pod {
  const { name = "front", namespace = "shop", age = 1_000_000, node = "node-1" } = parts;
  const { labels = {}, phase = "Running", ready = true, ips = ["10.244.1.1"] } = parts;
  return {
    metadata: {
      name,
      namespace,
      labels,
      creationTimestamp: new Date(age * 1000).toISOString(),
      ...(parts.deleted ? { deletionTimestamp: "2024-01-01T00:00:00Z" } : {}),
    },
    spec: {
      nodeName: node,
      containers: [{ name: "main", ports: parts.ports ?? [] }],
      ...(parts.hostNetwork ? { hostNetwork: true } : {}),
    },
    status: {
      phase,
      conditions: [{ type: "Ready", status: ready ? "True" : "False" }],
      podIPs: ips.map((ip) => ({ ip })),
    },
  } as Pod;
}
