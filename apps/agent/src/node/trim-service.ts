// Services and their slices as far as load balancing and `toServices` look at them: tens of thousands are kept.
import type { EndpointSlice, KubeObject, Service, ServiceSpec, SliceEndpoint } from "@tsilium/kube";
import { keyOf } from "./trim.ts";

/** Annotations by which services say how they are served. */
const heededAnnotations = /^(service\.cilium\.io|service\.kubernetes\.io|io\.cilium)\//;

const heededFields = [
  "type",
  "selector",
  "ports",
  "clusterIP",
  "clusterIPs",
  "ipFamilies",
  "externalIPs",
  "sessionAffinity",
  "sessionAffinityConfig",
  "externalTrafficPolicy",
  "internalTrafficPolicy",
  "loadBalancerClass",
  "loadBalancerSourceRanges",
  "allocateLoadBalancerNodePorts",
  "healthCheckNodePort",
  "publishNotReadyAddresses",
  "trafficDistribution",
] as const satisfies readonly (keyof ServiceSpec)[];

export function trimService(service: Service): Service {
  const { creationTimestamp } = service.metadata;
  const ingress = service.status?.loadBalancer?.ingress;
  return {
    metadata: {
      ...trimMetadata(service),
      ...(creationTimestamp ? { creationTimestamp } : {}),
    },
    spec: pick(service.spec, heededFields),
    ...(ingress && ingress.length > 0 ? { status: { loadBalancer: { ingress } } } : {}),
  };
}

export function trimEndpointSlice(slice: EndpointSlice): EndpointSlice {
  return {
    metadata: trimMetadata(slice),
    addressType: slice.addressType,
    endpoints: listOf(slice.endpoints).map(trimEndpoint),
    ports: listOf(slice.ports).map((port) => pick(port, ["name", "protocol", "port"])),
  };
}

function trimMetadata(object: KubeObject): KubeObject["metadata"] {
  const { labels, annotations } = object.metadata;
  const heeded = Object.entries(annotations ?? {}).filter(([name]) => heededAnnotations.test(name));
  return {
    ...keyOf(object),
    ...(labels ? { labels } : {}),
    ...(heeded.length > 0 ? { annotations: Object.fromEntries(heeded) } : {}),
  };
}

function trimEndpoint(endpoint: SliceEndpoint): SliceEndpoint {
  return pick(endpoint, ["addresses", "conditions", "nodeName", "zone", "hints"]);
}

/** Objects may come past servers that let anything through: what is no list holds nothing. */
function listOf<T>(value: readonly T[] | undefined): readonly T[] {
  return Array.isArray(value) ? value : [];
}

function pick<T extends object, Field extends keyof T>(
  object: T | undefined,
  fields: readonly Field[],
): Pick<T, Field> {
  const kept: Partial<Pick<T, Field>> = {};
  for (const field of fields) {
    const value = object?.[field];
    if (value !== undefined && value !== null) kept[field] = value;
  }
  return kept as Pick<T, Field>;
}
