// The terms of load balancing: what a node must know to decide, what is decided of each service, and what is shown of it.
//
//   Service, EndpointSlices --decide--> DecidedService --ServiceBook--> ServiceChanges (rows of kernel tables)
//   Pod (hostPort)          --decide--> DecidedService
//   CiliumLocalRedirectPolicy -decide-> DecidedService, or other backends for a service's cluster IPs
import type { Address, Prefix } from "@tsilium/net";

/** What is the same for all services of a node. Whoever changes it decides every service anew. */
export type LoadBalancerSettings = {
  readonly enableIpv4: boolean;
  readonly enableIpv6: boolean;
  /** enable-node-port: NodePorts, and load balancers' addresses. */
  readonly nodePort: boolean;
  /** enable-external-ips */
  readonly externalIps: boolean;
  /** enable-host-port */
  readonly hostPort: boolean;
  /** Both inclusive. */
  readonly nodePortRange: readonly [number, number];
  /** nodeport-addresses: own addresses that NodePorts are served on; empty: all. */
  readonly nodePortAddresses: readonly Prefix[];
  /** bpf-lb-mode. hybrid: DSR for TCP. */
  readonly mode: "snat" | "dsr" | "hybrid";
  /** bpf-lb-mode-annotation: service.cilium.io/forwarding-mode is heeded. */
  readonly modeAnnotation: boolean;
  /** bpf-lb-algorithm, for clients from outside. */
  readonly algorithm: "random" | "maglev";
  /** bpf-lb-algorithm-annotation: service.cilium.io/lb-algorithm is heeded. */
  readonly algorithmAnnotation: boolean;
  /** bpf-lb-external-clusterip */
  readonly externalClusterIp: boolean;
  /** bpf-lb-source-range-all-types: loadBalancerSourceRanges hold for more than load balancers' addresses. */
  readonly sourceRangeAllTypes: boolean;
  /** service-no-backend-response: what clients of a service without backends hear. */
  readonly noBackendResponse: "reject" | "drop";
  /** enable-service-topology: endpoints' hints are heeded. */
  readonly serviceTopology: boolean;
  /** enable-local-redirect-policy */
  readonly localRedirectPolicy: boolean;
  /** lrp-address-matcher-cidrs: what an addressMatcher may name; undefined: anything that is nobody's. */
  readonly addressMatcherCidrs?: readonly Prefix[] | undefined;
  /** k8s-service-proxy-name: only services that carry it in service.kubernetes.io/service-proxy-name, "": those without. */
  readonly serviceProxyName: string;
};

/** What a node knows of itself and of the cluster. */
export type NodeFacts = {
  readonly name: string;
  /** Its label topology.kubernetes.io/zone. */
  readonly zone: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
  /** Its own addresses, without loopback and link-local ones. */
  readonly addresses: readonly Address[];
  /** Addresses of all nodes, as text, its own among them. */
  readonly clusterAddresses: ReadonlySet<string>;
  /** The cluster's pod CIDRs, not only this node's. */
  readonly podCidrs: readonly Prefix[];
  /** Where API servers listen: no service may put itself there. */
  readonly apiServers: readonly { readonly address: Address; readonly port: number }[];
};

/** IP protocols that services have, by their number. */
export const serviceProtocols = { 6: "TCP", 17: "UDP", 132: "SCTP" } as const;
export type ServiceProtocol = keyof typeof serviceProtocols;

/** Where a frontend comes from, as cilium-dbg names it. */
export type FrontendType =
  | "ClusterIP"
  | "NodePort"
  | "LoadBalancer"
  | "ExternalIPs"
  | "HostPort"
  | "LocalRedirect";

/** active: new flows. terminating, maintenance (not ready, or of weight 0): the flows that it has. */
export type BackendState = "active" | "terminating" | "maintenance";

/** An endpoint's port. Objects are immutable and the same while the slice they come from is. */
export type DecidedBackend = {
  /** "10.0.0.1:80/TCP", "[fd00::1]:80/TCP": the same backend, whatever service names it. */
  readonly key: string;
  readonly address: Address;
  readonly port: number;
  readonly protocol: ServiceProtocol;
  readonly state: BackendState;
  /** Takes new flows when no backend is active. */
  readonly serving: boolean;
  readonly nodeName: string | undefined;
  readonly zone: string | undefined;
  /** For Maglev: its share is weight / sum of weights. */
  readonly weight: number;
  /** Zones and nodes that it is for; undefined: it has no such hints. */
  readonly forZones: readonly string[] | undefined;
  readonly forNodes: readonly string[] | undefined;
};

/** Every endpoint of one service port and family, whether new flows get it or not: flows that have it keep it. */
export type BackendPool = {
  /** Within the service: "80/TCP/4". */
  readonly key: string;
  /** Each key once. */
  readonly backends: readonly DecidedBackend[];
};

/** Whom new flows are balanced over. Frontends of a service port share the object. */
export type DecidedSet = {
  /** Within the service: "80/TCP/4/cluster". Its number in the kernel stays with it. */
  readonly key: string;
  /** Of the pool, each once. */
  readonly backends: readonly DecidedBackend[];
  readonly affinityTimeoutS: number;
  /** Without backends clients hear nothing. */
  readonly silent: boolean;
  readonly maglev: boolean;
};

export type DecidedFrontend = {
  /** "10.96.0.10:53/UDP", "0.0.0.0:30080/TCP", "10.96.0.10:0/ANY": what makes it the same frontend. */
  readonly key: string;
  readonly type: FrontendType;
  /** The whole address, whatever the port: `port` and `protocol` are 0 and there are no sets. */
  readonly addressOnly: boolean;
  /** 0.0.0.0 or "::": any address of a node. */
  readonly address: Address;
  readonly port: number;
  readonly protocol: ServiceProtocol | 0;
  readonly portName: string;
  readonly dsr: boolean;
  readonly localRedirect: boolean;
  /** undefined: clients may come from anywhere; empty: from nowhere. */
  readonly sourceRanges: readonly Prefix[] | undefined;
  /** Network namespaces (their cookies) that meet the address itself. */
  readonly exceptions: readonly bigint[];
  /** undefined of address-only ones. */
  readonly external: DecidedSet | undefined;
  readonly internal: DecidedSet | undefined;
  readonly pool: BackendPool | undefined;
  /** The field it comes from: "spec.externalIPs[0]". */
  readonly path: string;
};

/** Something of an object that is not done, and why: "spec.externalIPs[0]: 127.0.0.1 is a loopback address". */
export type ServiceWarning = { readonly path: string; readonly message: string };

export type HealthCheck = {
  /** spec.healthCheckNodePort */
  readonly port: number;
  /** Ready endpoints of this node. */
  readonly localEndpoints: number;
};

/** All that follows from one object. */
export type DecidedService = {
  /** "ns/name"; "ns/name:host-port" of a pod, "ns/name:local-redirect" of a policy. */
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  /** Milliseconds since 1970; 0: not known. The older of two that want a frontend gets it. */
  readonly createdMs: number;
  /** Goes behind all that are not, however old: a pod that is being deleted. */
  readonly yields: boolean;
  /** Its cluster IPs, served here or not: no other service may put itself there. */
  readonly clusterIps: readonly Address[];
  readonly frontends: readonly DecidedFrontend[];
  readonly pools: readonly BackendPool[];
  readonly healthCheck: HealthCheck | undefined;
  readonly externalTrafficPolicy: "Cluster" | "Local";
  readonly internalTrafficPolicy: "Cluster" | "Local";
  readonly warnings: readonly ServiceWarning[];
};

/** A frontend that a service asked for and did not get. */
export type FrontendConflict = {
  /** DecidedService.key of who asked. */
  readonly service: string;
  readonly frontend: DecidedFrontend;
  /** DecidedService.key of who has it, or has its address. */
  readonly holder: string;
  readonly reason: string;
};

/** A backend as REST and CLI show it. */
export type BackendRow = {
  readonly id: number;
  readonly address: string;
  readonly port: number;
  readonly protocol: string;
  readonly state: BackendState;
  readonly nodeName?: string;
  readonly zone?: string;
  readonly weight?: number;
};

/** A frontend as REST and CLI show it; shape like cilium-dbg's. */
export type ServiceRow = {
  readonly id: number;
  readonly frontend: { readonly address: string; readonly port: number; readonly protocol: string };
  readonly type: FrontendType;
  readonly name: string;
  readonly namespace: string;
  readonly portName: string;
  readonly flags: {
    readonly externalTrafficPolicy: "Cluster" | "Local";
    readonly internalTrafficPolicy: "Cluster" | "Local";
    /** Seconds; 0: none. */
    readonly sessionAffinityTimeout: number;
    readonly algorithm: "random" | "maglev";
    readonly forwardingMode: "snat" | "dsr";
    readonly localRedirect: boolean;
    readonly sourceRanges?: readonly string[];
    readonly healthCheckNodePort?: number;
  };
  /** Whom clients of the cluster get, then those that only keep what they have. */
  readonly backends: readonly BackendRow[];
  /** Whom clients from outside get, where they differ. */
  readonly externalBackends?: readonly BackendRow[];
};

/** The text of frontend and backend keys. `protocol` 0: ANY. */
export function endpointText(address: Address, port: number, protocol: number): string {
  const name = protocol === 0 ? "ANY" : serviceProtocols[protocol as ServiceProtocol];
  return address.family === 4 ? `${address}:${port}/${name}` : `[${address}]:${port}/${name}`;
}
