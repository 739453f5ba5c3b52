// What the matrix of services is made of. Each service has a cluster IP, a node port, a load balancer's and an external
// address, in both families, TCP and UDP.
//
//   node-1: client (pod), near, host-near      node-2: far, host-far      world: echo at 203.0.113.10:8080
import type { KubeObject, ServiceSpec } from "@tsilium/kube";
import {
  echoPod,
  echoPort,
  endpointSlice,
  loadBalancerPool,
  service,
  servicePorts,
} from "./service-objects.ts";
import { type Family, worldAddresses } from "./service-lab.ts";

export const namespace = "matrix";
export const hostPort = 8089;
export const hostNetworkPort = 9090;

/** A backend and where it is; the world host is the one that a service without selector has. */
export const backendNodes = {
  near: "node-1",
  far: "node-2",
  "host-near": "node-1",
  "host-far": "node-2",
  world: undefined,
} as const;
export type Backend = keyof typeof backendNodes;

/** Services by name: who is behind them. */
export const services: Readonly<Record<string, readonly Backend[]>> = {
  near: ["near"],
  far: ["far"],
  both: ["near", "far"],
  /** Its port is its backends'. */
  same: ["near", "far"],
  "host-near": ["host-near"],
  "host-far": ["host-far"],
  world: ["world"],
};

/** The port of a service's cluster IP, load balancer's and external address. */
export function portOf(name: string): number {
  return name === "same" ? echoPort : 80;
}

/** Where the world has routes to through the external IPs. */
export function externalIp(name: string, family: Family): string {
  const number = Object.keys(services).indexOf(name) + 1;
  return family === 4 ? `192.0.2.${number}` : `2001:db8:2::${number}`;
}

export function matrixObjects(): KubeObject[] {
  return [
    loadBalancerPool("matrix", { cidr: "198.51.100.0/24" }, { cidr: "2001:db8:51::/112" }),
    ...backendPods(),
    echoPod({ name: "client", namespace, node: "node-1" }),
    ...Object.keys(services).map(matrixService),
    ...([4, 6] as const).map((family) =>
      endpointSlice(
        { name: "world", namespace },
        {
          name: `world-${family}`,
          addressType: `IPv${family}`,
          endpoints: [{ addresses: [worldAddresses[family]], conditions: { ready: true } }],
          ports: [
            { name: "tcp", port: echoPort, protocol: "TCP" },
            { name: "udp", port: echoPort, protocol: "UDP" },
          ],
        },
      ),
    ),
  ];
}

function backendPods(): KubeObject[] {
  const ports = (port: number, outside?: number) =>
    (["TCP", "UDP"] as const).map((protocol) => ({
      name: protocol.toLowerCase(),
      containerPort: port,
      protocol,
      ...(outside === undefined ? {} : { hostPort: outside }),
    }));
  const readinessProbe = (port: number) => ({ tcpSocket: { port }, periodSeconds: 1 });
  return (["near", "far"] as const).flatMap((name) => [
    echoPod({
      name,
      namespace,
      node: backendNodes[name],
      labels: { app: name, both: "yes" },
      spec: {
        containers: [
          {
            name: "echo",
            image: "tsilium.io/echo",
            ports: ports(echoPort, hostPort),
            readinessProbe: readinessProbe(echoPort),
          },
        ],
      },
    }),
    echoPod({
      name: `host-${name}`,
      namespace,
      node: backendNodes[name],
      spec: {
        hostNetwork: true,
        containers: [
          {
            name: "echo",
            image: "tsilium.io/echo",
            ports: ports(hostNetworkPort),
            readinessProbe: readinessProbe(hostNetworkPort),
          },
        ],
      },
    }),
  ]);
}

function matrixService(name: string): KubeObject {
  return service(name, namespace, {
    type: "LoadBalancer",
    externalIPs: [externalIp(name, 4), externalIp(name, 6)],
    ports: servicePorts.map((port) => ({
      ...port,
      port: portOf(name),
      targetPort: name.startsWith("host-") ? hostNetworkPort : echoPort,
    })),
    ...selectorOf(name),
  });
}

function selectorOf(name: string): Pick<ServiceSpec, "selector"> {
  if (name === "both" || name === "same") return { selector: { both: "yes" } };
  // What the service has by itself would select nobody; none at all is what lets slices be made by hand.
  if (name === "world") return { selector: {} };
  return {};
}
