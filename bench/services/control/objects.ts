// The benches' services as an API server has them: a Service and its EndpointSlice each.
import { type EndpointSlice, type Service, serviceNameLabel } from "@tsilium/kube";
import type { BenchService } from "../workload.ts";

const portName = "http";
/** Of the whole workload: services of one age, so that no two fight over an address. */
const creationTimestamp = "2026-01-01T00:00:00Z";

export function serviceObject({
  namespace,
  name,
  clusterIp,
  port,
  nodePort,
  endpoints,
}: BenchService): Service {
  const targetPort = endpoints[0]?.port ?? port;
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { namespace, name, creationTimestamp },
    spec: {
      type: nodePort === undefined ? "ClusterIP" : "NodePort",
      clusterIP: clusterIp,
      clusterIPs: [clusterIp],
      ipFamilies: ["IPv4"],
      ipFamilyPolicy: "SingleStack",
      ports: [
        {
          name: portName,
          port,
          protocol: "TCP",
          targetPort,
          ...(nodePort === undefined ? {} : { nodePort }),
        },
      ],
      sessionAffinity: "None",
      internalTrafficPolicy: "Cluster",
      ...(nodePort === undefined ? {} : { externalTrafficPolicy: "Cluster" }),
    },
    status: { loadBalancer: {} },
  };
}

export function sliceObject({ namespace, name, port, endpoints }: BenchService): EndpointSlice {
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      namespace,
      name: `${name}-slice`,
      labels: { [serviceNameLabel]: name },
      creationTimestamp,
    },
    addressType: "IPv4",
    endpoints: endpoints.map(({ address }, index) => ({
      addresses: [address],
      conditions: { ready: true, serving: true, terminating: false },
      nodeName: `node-${index + 1}`,
    })),
    ports: [{ name: portName, protocol: "TCP", port: endpoints[0]?.port ?? port }],
  };
}
