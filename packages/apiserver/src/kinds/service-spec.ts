// What a Service says, and what follows from it: which of its fields mean something.
import type { ApiObject, Fields } from "../objects/object.ts";

export type Family = "IPv4" | "IPv6";
export type ServicePort = {
  name?: string;
  protocol: string;
  port: number;
  targetPort?: number | string;
  nodePort?: number;
  appProtocol?: string;
};
export type Spec = Fields & {
  type: "ClusterIP" | "NodePort" | "LoadBalancer" | "ExternalName";
  ports?: ServicePort[];
  selector?: Record<string, string>;
  clusterIP?: string;
  clusterIPs?: string[];
  ipFamilies?: Family[];
  ipFamilyPolicy?: "SingleStack" | "PreferDualStack" | "RequireDualStack";
  externalIPs?: string[];
  externalName?: string;
  sessionAffinity?: "None" | "ClientIP";
  sessionAffinityConfig?: { clientIP?: { timeoutSeconds?: number } };
  externalTrafficPolicy?: "Cluster" | "Local";
  internalTrafficPolicy?: "Cluster" | "Local";
  loadBalancerClass?: string;
  loadBalancerSourceRanges?: string[];
  allocateLoadBalancerNodePorts?: boolean;
  healthCheckNodePort?: number;
  trafficDistribution?: string;
};

export const specOf = (service: ApiObject): Spec => service["spec"] as Spec;

export const isHeadless = ({ clusterIP, clusterIPs }: Spec): boolean =>
  clusterIP === "None" || clusterIPs?.[0] === "None";

/** NodePort and LoadBalancer have node ports. */
export const hasNodePorts = ({ type }: Spec): boolean =>
  type === "NodePort" || type === "LoadBalancer";

/** Reached from outside, by node ports, load balancers or external IPs. */
export const isExternallyAccessible = (spec: Spec): boolean =>
  hasNodePorts(spec) || (spec.type === "ClusterIP" && (spec.externalIPs?.length ?? 0) > 0);

/** A load balancer asks every node of such a service whether it has endpoints of its own. */
export const needsHealthCheck = ({ type, externalTrafficPolicy }: Spec): boolean =>
  type === "LoadBalancer" && externalTrafficPolicy === "Local";
