// What the EndpointSlices of a Service are to contain. Pure: service, pods and zones in, groups of endpoints out. Built
// once per pod and service: ten thousand pods of which one changed cost one endpoint.
import { isIPv6 } from "node:net";
import type {
  EndpointPort,
  EndpointSlice,
  IPFamily,
  Pod,
  Service,
  ServicePort,
  SliceEndpoint,
} from "@tsilium/kube";
import { isFinished, isReady, isTerminating } from "./objects.ts";
import { sharedOut, type ZoneShares } from "./topology.ts";

/** Endpoints of one family that resolve the service's ports alike: they may share slices. */
export type Group = {
  readonly family: IPFamily;
  readonly ports: readonly EndpointPort[];
  readonly endpoints: readonly SliceEndpoint[];
};

export type Zones = {
  /** Zone of a node; undefined: it says none. */
  readonly zoneOf: (node: string) => string | undefined;
  /** Undefined: endpoints cannot be shared out. */
  readonly shares: ZoneShares | undefined;
};

/** Nothing is known of zones. */
export const noZones: Zones = { zoneOf: () => undefined, shares: undefined };

/** At least one group per family of the service, empty if need be. */
export function groupsOf(service: Service, pods: readonly Pod[], zones: Zones = noZones): Group[] {
  const recipe = recipeOf(service);
  const families = service.spec.ipFamilies ?? ["IPv4"];
  return families.flatMap((family) => groupsOfFamily(recipe, family, { pods, zones }));
}

type Part = { readonly ports: readonly EndpointPort[]; readonly endpoints: SliceEndpoint[] };

function groupsOfFamily(
  recipe: Recipe,
  family: IPFamily,
  { pods, zones }: { readonly pods: readonly Pod[]; readonly zones: Zones },
): Group[] {
  const parts = new Map<string, Part>();
  for (const pod of pods) {
    const zone = zones.zoneOf(pod.spec.nodeName ?? "");
    const built = builtFor(recipe, pod, { family, zone });
    if (!built) continue;
    const part = parts.get(built.portsKey);
    if (part) part.endpoints.push(built.endpoint);
    else parts.set(built.portsKey, { ports: built.ports, endpoints: [built.endpoint] });
  }
  if (parts.size === 0) return [{ family, ports: [], endpoints: [] }];
  const groups = [...parts.values()].map(({ ports, endpoints }) => ({ family, ports, endpoints }));
  return recipe.hints === "shared out" ? withSharedHints(groups, zones.shares) : groups;
}

/** What of a service decides about its endpoints, and what came of it so far. */
type Recipe = {
  readonly service: Service;
  readonly hints: "none" | "zone" | "node" | "shared out";
  /** Ports where no pod has a say in them. */
  readonly fixedPorts: readonly EndpointPort[] | undefined;
  readonly built: Readonly<Record<IPFamily, WeakMap<Pod, Built>>>;
};

type Built = {
  readonly zone: string | undefined;
  readonly endpoint: SliceEndpoint;
  readonly ports: readonly EndpointPort[];
  readonly portsKey: string;
};

const recipes = new WeakMap<Service, Recipe>();

function recipeOf(service: Service): Recipe {
  const known = recipes.get(service);
  if (known) return known;
  const ports = service.spec.ports ?? [];
  const isFixed = ports.every(({ targetPort }) => typeof targetPort !== "string");
  const recipe: Recipe = {
    service,
    hints: hintsOf(service),
    fixedPorts: isFixed ? ports.flatMap((port) => resolvePort(port, undefined)) : undefined,
    built: { IPv4: new WeakMap(), IPv6: new WeakMap() },
  };
  recipes.set(service, recipe);
  return recipe;
}

/** Whether zones are to be served in proportion to their size. The older annotation wins over the newer. */
export function isSharedOut({ metadata }: Service): boolean {
  const { annotations = {} } = metadata;
  const mode =
    annotations["service.kubernetes.io/topology-aware-hints"] ??
    annotations["service.kubernetes.io/topology-mode"];
  return mode === "Auto" || mode === "auto";
}

/** The annotation wins over the field. */
function hintsOf(service: Service): Recipe["hints"] {
  const { spec } = service;
  if (isSharedOut(service)) return "shared out";
  if (spec.trafficDistribution === "PreferSameNode") return "node";
  const zonal = ["PreferClose", "PreferSameZone"];
  return zonal.includes(spec.trafficDistribution ?? "") ? "zone" : "none";
}

type Place = { readonly family: IPFamily; readonly zone: string | undefined };

/** Undefined for a pod that is no endpoint: over, not bound, or without an address of the family. */
function builtFor(recipe: Recipe, pod: Pod, { family, zone }: Place): Built | undefined {
  const known = recipe.built[family].get(pod);
  if (known && known.zone === zone) return known;
  if (isFinished(pod) || pod.spec.nodeName === undefined) return undefined;
  const address = addressOf(pod, family);
  if (address === undefined) return undefined;
  const ports = recipe.fixedPorts ?? portsFor(recipe.service, pod);
  const built: Built = {
    zone,
    endpoint: endpointOf(recipe, pod, { address, zone }),
    ports,
    portsKey: recipe.fixedPorts ? "" : JSON.stringify(ports),
  };
  recipe.built[family].set(pod, built);
  return built;
}

function addressOf(pod: Pod, family: IPFamily): string | undefined {
  const all =
    pod.status?.podIPs?.map((entry) => entry.ip) ?? (pod.status?.podIP ? [pod.status.podIP] : []);
  return all.find((address) => isIPv6(address) === (family === "IPv6"));
}

function portsFor(service: Service, pod: Pod): EndpointPort[] {
  return (service.spec.ports ?? []).flatMap((port) => resolvePort(port, pod));
}

/** A named target port is looked up in the pod; a pod that lacks it does not serve the port. */
function resolvePort(port: ServicePort, pod: Pod | undefined): EndpointPort[] {
  const protocol = port.protocol ?? "TCP";
  const target = port.targetPort ?? port.port;
  const number = typeof target === "number" ? target : pod && namedPort(pod, target, protocol);
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

function endpointOf(
  { service, hints }: Recipe,
  pod: Pod,
  { address, zone }: { readonly address: string; readonly zone: string | undefined },
): SliceEndpoint {
  const serving = isReady(pod);
  const terminating = isTerminating(pod);
  const ready = service.spec.publishNotReadyAddresses === true || (serving && !terminating);
  const { name = "", namespace = "", uid = "" } = pod.metadata;
  const { nodeName, hostname, subdomain } = pod.spec;
  const forZones = ready && hints !== "none" && hints !== "shared out" && zone;
  const forNodes = ready && hints === "node" && nodeName;
  return {
    addresses: [address],
    conditions: { ready, serving, terminating },
    ...(hostname && subdomain === service.metadata.name ? { hostname } : {}),
    ...(nodeName ? { nodeName } : {}),
    ...(zone ? { zone } : {}),
    targetRef: { kind: "Pod", namespace, name, uid },
    ...(forZones || forNodes
      ? {
          hints: {
            ...(forZones ? { forZones: [{ name: forZones }] } : {}),
            ...(forNodes ? { forNodes: [{ name: forNodes }] } : {}),
          },
        }
      : {}),
  };
}

/** All groups of a family together: clients of a zone need endpoints, whatever their ports. */
function withSharedHints(groups: readonly Group[], shares: ZoneShares | undefined): Group[] {
  const ready = groups
    .flatMap(({ endpoints }) => endpoints)
    .filter(({ conditions }) => conditions?.ready);
  const zoned = ready.map((endpoint) => ({ key: keyOf(endpoint), zone: endpoint.zone }));
  const served = shares && sharedOut(zoned, shares);
  if (!served) return [...groups];
  return groups.map((group) => ({
    ...group,
    endpoints: group.endpoints.map((endpoint) => {
      const zone = endpoint.conditions?.ready ? served.get(keyOf(endpoint)) : undefined;
      return zone === undefined ? endpoint : withZoneHint(endpoint, zone);
    }),
  }));
}

const hinted = new WeakMap<SliceEndpoint, Map<string, SliceEndpoint>>();

/** Always the same object for the same zone. */
function withZoneHint(endpoint: SliceEndpoint, zone: string): SliceEndpoint {
  const byZone = hinted.get(endpoint) ?? new Map<string, SliceEndpoint>();
  hinted.set(endpoint, byZone);
  const known = byZone.get(zone) ?? { ...endpoint, hints: { forZones: [{ name: zone }] } };
  byZone.set(zone, known);
  return known;
}

const keys = new WeakMap<SliceEndpoint, string>();

/** Which pod and which of its addresses: pods in their node's network may have one address together. */
function keyOf(endpoint: SliceEndpoint): string {
  let key = keys.get(endpoint);
  if (key === undefined) {
    const { addresses, targetRef } = endpoint;
    keys.set(endpoint, (key = `${targetRef?.uid ?? ""} ${addresses[0] ?? ""}`));
  }
  return key;
}

/** Kubernetes' limit by default. */
export const maxEndpointsPerSlice = 100;

export type Filled = {
  readonly slice: EndpointSlice | undefined;
  readonly endpoints: readonly SliceEndpoint[];
};

/**
 * Spreads a group over slices: an endpoint stays in the slice it is in, new ones fill what has room, and
 * only what is left makes new slices. `existing` holds the group's slices as they are.
 */
export function distribute(group: Group, existing: readonly EndpointSlice[]): Filled[] {
  const wanted = new Map(group.endpoints.map((endpoint) => [keyOf(endpoint), endpoint]));
  const filled = existing.map((slice) => {
    const endpoints: SliceEndpoint[] = [];
    for (const each of slice.endpoints ?? []) {
      const key = keyOf(each);
      const endpoint = wanted.get(key);
      if (!endpoint || endpoints.length >= maxEndpointsPerSlice) continue;
      endpoints.push(endpoint);
      wanted.delete(key);
    }
    return { slice: slice as EndpointSlice | undefined, endpoints };
  });
  const left = [...wanted.values()];
  let next = 0;
  const take = (count: number) => left.slice(next, (next += count));
  for (const { endpoints } of filled)
    endpoints.push(...take(maxEndpointsPerSlice - endpoints.length));
  while (next < left.length)
    filled.push({ slice: undefined, endpoints: take(maxEndpointsPerSlice) });
  if (filled.length === 0) filled.push({ slice: undefined, endpoints: [] });
  // One slice stays even when it is empty; the others go.
  const used = filled.filter(({ endpoints }) => endpoints.length > 0);
  return used.length > 0 ? used : filled.slice(0, 1);
}
