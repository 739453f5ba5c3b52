// What the EndpointSlices of a Service are to contain. Pure: service and pods in, groups of endpoints out.
import { isIPv6 } from "node:net";
import type {
  EndpointSlice,
  IPFamily,
  Pod,
  Service,
  ServicePort,
  SliceEndpoint,
} from "@tsilium/kube";
import { isFinished, isReady, isTerminating } from "./objects.ts";

export type SlicePort = NonNullable<EndpointSlice["ports"]>[number];

/** Endpoints of one family that resolve the service's ports alike: they may share slices. */
export type Group = {
  readonly family: IPFamily;
  readonly ports: readonly SlicePort[];
  readonly endpoints: readonly SliceEndpoint[];
};

/** At least one group per family of the service, empty if need be. */
export function groupsOf(service: Service, pods: readonly Pod[]): Group[] {
  const groups = new Map<
    string,
    { family: IPFamily; ports: SlicePort[]; endpoints: SliceEndpoint[] }
  >();
  const families = service.spec.ipFamilies ?? ["IPv4"];
  const backing = pods.filter((pod) => !isFinished(pod) && pod.spec.nodeName !== undefined);
  for (const family of families) {
    for (const pod of backing) {
      const address = addressOf(pod, family);
      if (address === undefined) continue;
      const ports = (service.spec.ports ?? []).flatMap((port) => resolvePort(port, pod));
      const key = `${family} ${JSON.stringify(ports)}`;
      const group = groups.get(key) ?? { family, ports, endpoints: [] };
      group.endpoints.push(endpointOf(service, pod, address));
      groups.set(key, group);
    }
    if (![...groups.values()].some((group) => group.family === family)) {
      groups.set(family, { family, ports: [], endpoints: [] });
    }
  }
  return [...groups.values()];
}

function addressOf(pod: Pod, family: IPFamily): string | undefined {
  const all =
    pod.status?.podIPs?.map((entry) => entry.ip) ?? (pod.status?.podIP ? [pod.status.podIP] : []);
  return all.find((address) => isIPv6(address) === (family === "IPv6"));
}

/** A named target port is looked up in the pod; a pod that lacks it does not serve the port. */
function resolvePort(port: ServicePort, pod: Pod): SlicePort[] {
  const protocol = port.protocol ?? "TCP";
  const target = port.targetPort ?? port.port;
  const number = typeof target === "number" ? target : namedPort(pod, target, protocol);
  if (number === undefined) return [];
  return [
    {
      name: port.name ?? "",
      protocol,
      port: number,
      ...(port.appProtocol ? { appProtocol: port.appProtocol } : {}),
    },
  ];
}

function namedPort(pod: Pod, name: string, protocol: string): number | undefined {
  for (const container of pod.spec.containers) {
    const found = container.ports?.find(
      (port) => port.name === name && (port.protocol ?? "TCP") === protocol,
    );
    if (found) return found.containerPort;
  }
  return undefined;
}

function endpointOf(service: Service, pod: Pod, address: string): SliceEndpoint {
  const serving = isReady(pod);
  const terminating = isTerminating(pod);
  const { name = "", namespace = "", uid = "" } = pod.metadata;
  return {
    addresses: [address],
    conditions: {
      ready: service.spec.publishNotReadyAddresses === true || (serving && !terminating),
      serving,
      terminating,
    },
    ...(pod.spec.hostname && pod.spec.subdomain === service.metadata.name
      ? { hostname: pod.spec.hostname }
      : {}),
    ...(pod.spec.nodeName ? { nodeName: pod.spec.nodeName } : {}),
    targetRef: { kind: "Pod", namespace, name, uid },
  };
}

/** Kubernetes' limit by default. */
export const maxEndpointsPerSlice = 100;

/**
 * Spreads a group over slices: an endpoint stays in the slice it is in, new ones fill what has room, and
 * only what is left makes new slices. `existing` holds the group's slices as they are.
 */
export function distribute(
  group: Group,
  existing: readonly EndpointSlice[],
): { readonly slice: EndpointSlice | undefined; readonly endpoints: readonly SliceEndpoint[] }[] {
  const wanted = new Map(
    group.endpoints.map((endpoint) => [endpoint.addresses[0] ?? "", endpoint]),
  );
  const filled = existing.map((slice) => {
    const endpoints: SliceEndpoint[] = [];
    for (const { addresses } of slice.endpoints ?? []) {
      const endpoint = wanted.get(addresses[0] ?? "");
      if (!endpoint || endpoints.length >= maxEndpointsPerSlice) continue;
      endpoints.push(endpoint);
      wanted.delete(addresses[0] ?? "");
    }
    return { slice: slice as EndpointSlice | undefined, endpoints };
  });
  const left = [...wanted.values()];
  for (const { endpoints } of filled) {
    endpoints.push(...left.splice(0, maxEndpointsPerSlice - endpoints.length));
  }
  while (left.length > 0) {
    filled.push({ slice: undefined, endpoints: left.splice(0, maxEndpointsPerSlice) });
  }
  if (filled.length === 0) filled.push({ slice: undefined, endpoints: [] });
  // One slice stays even when it is empty; the others go.
  const used = filled.filter(({ endpoints }) => endpoints.length > 0);
  return used.length > 0 ? used : filled.slice(0, 1);
}
