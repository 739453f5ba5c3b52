// Objects that tests of services are made of.
import { join } from "node:path";
import type {
  CiliumLoadBalancerIPPool,
  EndpointSlice,
  LoadBalancerIPBlock,
  Pod,
  PodSpec,
  Service,
  ServicePort,
  ServiceSpec,
} from "@tsilium/kube";
import { root } from "../harness.ts";

/** The port that echo pods serve, TCP and UDP. */
export const echoPort = 8080;

const echoPorts = [
  { name: "tcp", containerPort: echoPort, protocol: "TCP" },
  { name: "udp", containerPort: echoPort, protocol: "UDP" },
] as const;

const readyAtOnce = {
  readinessProbe: { tcpSocket: { port: echoPort }, periodSeconds: 1 },
} as const;

type EchoOptions = {
  readonly name: string;
  readonly namespace: string;
  /** Bound there, past the scheduler. */
  readonly node?: string;
  /** "app=NAME" if left out. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly spec?: Partial<PodSpec>;
  /** Goes on serving after SIGTERM, until its grace period of so many seconds is over. */
  readonly lingerSeconds?: number;
};

/** An echo pod. */
export function echoPod(options: EchoOptions): Pod {
  const { name, namespace, labels = { app: name } } = options;
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace, labels },
    spec: echoSpec(options),
  };
}

function echoSpec({ node, spec, lingerSeconds }: EchoOptions): PodSpec {
  return {
    ...(node === undefined ? {} : { nodeName: node }),
    terminationGracePeriodSeconds: lingerSeconds ?? 1,
    containers: [
      {
        name: "echo",
        image: "tsilium.io/echo",
        ports: echoPorts,
        ...readyAtOnce,
        ...(lingerSeconds === undefined ? {} : deaf),
      },
    ],
    ...spec,
  };
}

/** The echo server with SIGTERM ignored, as one that takes its time to shut down. */
const deaf = {
  env: ["metadata.name", "metadata.namespace", "spec.nodeName"].map((fieldPath, at) => ({
    name: ["POD", "NAMESPACE", "NODE"][at] as string,
    valueFrom: { fieldRef: { fieldPath } },
  })),
  command: ["sh", "-c"],
  args: [
    `trap "" TERM; exec ${join(root, "dist/bin/echo")} --pod "$POD" --namespace "$NAMESPACE" --node "$NODE" tcp/${echoPort} udp/${echoPort}`,
  ],
};

/** TCP and UDP 80 to the echo pods' port. */
export const servicePorts: readonly ServicePort[] = [
  { name: "tcp", port: 80, protocol: "TCP", targetPort: echoPort },
  { name: "udp", port: 80, protocol: "UDP", targetPort: echoPort },
];

/** A dual-stack service of the pods with `app: NAME`. */
export function service(
  name: string,
  namespace: string,
  spec: Partial<ServiceSpec> = {},
  annotations?: Readonly<Record<string, string>>,
): Service {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, namespace, ...(annotations ? { annotations } : {}) },
    spec: {
      selector: { app: name },
      ipFamilyPolicy: "PreferDualStack",
      ports: servicePorts,
      ...spec,
    },
  };
}

/** A slice of a service without a selector. */
export function endpointSlice(
  service: { readonly name: string; readonly namespace: string },
  slice: Pick<EndpointSlice, "addressType" | "endpoints" | "ports"> & { readonly name: string },
): EndpointSlice {
  const { name, ...rest } = slice;
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      name,
      namespace: service.namespace,
      labels: { "kubernetes.io/service-name": service.name },
    },
    ...rest,
  };
}

/** A pool of load balancers' addresses, for all services. */
export function loadBalancerPool(
  name: string,
  ...blocks: readonly LoadBalancerIPBlock[]
): CiliumLoadBalancerIPPool {
  return {
    apiVersion: "cilium.io/v2",
    kind: "CiliumLoadBalancerIPPool",
    metadata: { name },
    spec: { blocks },
  };
}

/** For `lab.apply`. */
export function manifest(...objects: readonly object[]): string {
  return objects.map((object) => JSON.stringify(object)).join("\n---\n");
}

/** What is at which address: the API server's word on a service. */
export type ServiceFacts = {
  readonly clusterIps: readonly string[];
  /** By port name. */
  readonly nodePorts: Readonly<Record<string, number>>;
  readonly loadBalancerIps: readonly string[];
  readonly healthCheckNodePort: number | undefined;
};

export function serviceFacts({ spec, status }: Service): ServiceFacts {
  return {
    clusterIps: spec.clusterIPs ?? [],
    nodePorts: Object.fromEntries(
      (spec.ports ?? []).map(({ name = "", nodePort = 0 }) => [name, nodePort]),
    ),
    loadBalancerIps: (status?.loadBalancer?.ingress ?? [])
      .map(({ ip }) => ip)
      .filter((ip) => ip !== undefined),
    healthCheckNodePort: spec.healthCheckNodePort,
  };
}
