// A Service's EndpointSlices as the one Endpoints object that there was before them. Pure.
import {
  serviceNameLabel,
  type EndpointAddress,
  type EndpointPort,
  type Endpoints,
  type EndpointSlice,
  type EndpointSubset,
  type Service,
  type SliceEndpoint,
} from "@tsilium/kube";
import { textOf } from "./texts.ts";

export const endpointsManagerLabel = "endpoints.kubernetes.io/managed-by";
const manager = "endpoint-controller";
const headlessLabel = "service.kubernetes.io/headless";
/** Annotation of an object that has not got all addresses; its value is "truncated". */
export const overCapacity = "endpoints.kubernetes.io/over-capacity";
/** Kubernetes' own limit of one object. */
export const maxAddresses = 1000;

/** The object as it is to be; its labels are the service's and those that tell whose it is. */
export function endpointsFor(service: Service, slices: readonly EndpointSlice[]): Endpoints {
  const { name = "", namespace = "default", labels: given = {} } = service.metadata;
  const { [headlessLabel]: _headless, [serviceNameLabel]: _service, ...labels } = given;
  const { subsets, isTruncated } = subsetsOf(service, slices);
  return {
    metadata: {
      name,
      namespace,
      labels: {
        ...labels,
        ...(service.spec.clusterIP === "None" ? { [headlessLabel]: "" } : {}),
        [endpointsManagerLabel]: manager,
      },
      ...(isTruncated ? { annotations: { [overCapacity]: "truncated" } } : {}),
    },
    ...(subsets.length > 0 ? { subsets } : {}),
  };
}

/** Addresses that have the same ports, and are ready or not. */
type Packed = {
  readonly ports: readonly EndpointPort[];
  readonly ready: EndpointAddress[];
  readonly notReady: EndpointAddress[];
};

/** Of the service's first family alone: an Endpoints object has one. Ready addresses go before those that are not. */
function subsetsOf(
  service: Service,
  slices: readonly EndpointSlice[],
): { readonly subsets: EndpointSubset[]; readonly isTruncated: boolean } {
  const [family = "IPv4"] = service.spec.ipFamilies ?? [];
  const byPorts = new Map<string, Packed>();
  for (const { addressType, endpoints = [], ports = [] } of slices) {
    if (addressType !== family) continue;
    for (const endpoint of endpoints) {
      const ready = endpoint.conditions?.ready !== false;
      // What ends and takes nothing more was never part of an Endpoints object.
      if (!ready && endpoint.conditions?.terminating === true) continue;
      const key = textOf(ports);
      const packed = byPorts.get(key) ?? { ports: ports.map(portOf), ready: [], notReady: [] };
      byPorts.set(key, packed);
      (ready ? packed.ready : packed.notReady).push(addressOf(endpoint));
    }
  }
  const all = [...byPorts].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, packed]) => packed);
  let room = maxAddresses;
  const taken = (list: EndpointAddress[]) => {
    const some = list.toSorted(byAddress).slice(0, room);
    room -= some.length;
    return some;
  };
  const ready = all.map((packed) => taken(packed.ready));
  const notReady = all.map((packed) => taken(packed.notReady));
  const total = all.reduce((sum, packed) => sum + packed.ready.length + packed.notReady.length, 0);
  const subsets = all.flatMap(({ ports }, at) =>
    subsetFor(ready[at] ?? [], notReady[at] ?? [], ports),
  );
  return { subsets, isTruncated: total > maxAddresses };
}

function subsetFor(
  addresses: readonly EndpointAddress[],
  notReadyAddresses: readonly EndpointAddress[],
  ports: readonly EndpointPort[],
): EndpointSubset[] {
  if (addresses.length + notReadyAddresses.length === 0) return [];
  return [
    {
      ...(addresses.length > 0 ? { addresses } : {}),
      ...(notReadyAddresses.length > 0 ? { notReadyAddresses } : {}),
      ...(ports.length > 0 ? { ports } : {}),
    },
  ];
}

function portOf({ name, port, protocol = "TCP", appProtocol }: EndpointPort): EndpointPort {
  return {
    ...(name ? { name } : {}),
    ...(port === undefined ? {} : { port }),
    protocol,
    ...(appProtocol === undefined ? {} : { appProtocol }),
  };
}

function addressOf({ addresses, hostname, nodeName, targetRef }: SliceEndpoint): EndpointAddress {
  return {
    ip: addresses[0] ?? "",
    ...(hostname ? { hostname } : {}),
    ...(nodeName ? { nodeName } : {}),
    ...(targetRef ? { targetRef } : {}),
  };
}

function byAddress(a: EndpointAddress, b: EndpointAddress): number {
  if (a.ip !== b.ip) return a.ip < b.ip ? -1 : 1;
  return (a.targetRef?.uid ?? "") < (b.targetRef?.uid ?? "") ? -1 : 1;
}
