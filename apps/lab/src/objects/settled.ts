// Whether controllers have drawn what follows from services and pods: endpoint slices, load balancers' addresses. Until
// then agents have nothing to put into kernels. Pure; answers what lags, in words.
import {
  type CiliumLoadBalancerIPPool,
  type EndpointSlice,
  objectKey,
  type Pod,
  type Service,
  serviceNameLabel,
} from "@tsilium/kube";

export type ServiceObjects = {
  readonly services: readonly Service[];
  readonly pods: readonly Pod[];
  readonly slices: readonly EndpointSlice[];
  readonly pools: readonly CiliumLoadBalancerIPPool[];
};

/** What the operator says of a service that it has seen (operator/pkg/lbipam of Cilium has the same). */
const poolCondition = "cilium.io/IPAMRequestSatisfied";
/** Whose load balancers get their addresses from pools; of other classes somebody else takes care. */
const poolClasses: readonly (string | undefined)[] = [
  undefined,
  "io.cilium/bgp-control-plane",
  "io.cilium/l2-announcer",
];

/** By "namespace/name", what each service that lags still waits for. */
export function unsettled({ services, pods, slices, pools }: ServiceObjects): Map<string, string> {
  const podsByNamespace = Map.groupBy(pods, ({ metadata }) => metadata.namespace);
  const slicesByService = Map.groupBy(
    slices,
    ({ metadata }) => `${metadata.namespace}/${metadata.labels?.[serviceNameLabel]}`,
  );
  const lagging = new Map<string, string>();
  for (const service of services) {
    if (service.metadata.deletionTimestamp !== undefined) continue;
    const key = objectKey(service);
    const own = podsByNamespace.get(service.metadata.namespace) ?? [];
    const why =
      endpointsLag(service, own, slicesByService.get(key) ?? []) ??
      (pools.length > 0 ? addressLags(service) : undefined);
    if (why !== undefined) lagging.set(key, why);
  }
  return lagging;
}

function endpointsLag(
  service: Service,
  pods: readonly Pod[],
  slices: readonly EndpointSlice[],
): string | undefined {
  const { selector, type } = service.spec;
  if (!selector || Object.keys(selector).length === 0 || type === "ExternalName") return undefined;
  if (slices.length === 0) return "it has no endpoint slice yet";
  const wanted = new Map(
    pods.filter((pod) => isBehind(pod, selector)).flatMap((pod) => endpointsOf(pod, service)),
  );
  const found = new Map(
    slices
      .flatMap(({ endpoints = [] }) => endpoints)
      .map(({ addresses, conditions }) => [addresses[0] ?? "", conditions?.ready !== false]),
  );
  for (const [address, ready] of wanted)
    if (found.get(address) !== ready)
      return `its endpoint slices do not show ${address} ${ready ? "ready" : "as not ready"} yet`;
  for (const address of found.keys())
    if (!wanted.has(address)) return `its endpoint slices still have ${address}`;
  return undefined;
}

function isBehind({ metadata, spec, status }: Pod, selector: Readonly<Record<string, string>>) {
  const finished = status?.phase === "Succeeded" || status?.phase === "Failed";
  return (
    spec.nodeName !== undefined &&
    !finished &&
    Object.entries(selector).every(([key, value]) => metadata.labels?.[key] === value)
  );
}

/** Address and readiness, once per family of the service. */
function endpointsOf({ metadata, status }: Pod, { spec }: Service): [string, boolean][] {
  const isReady =
    status?.conditions?.some(({ type, status: state }) => type === "Ready" && state === "True") ===
    true;
  const ready =
    spec.publishNotReadyAddresses === true || (isReady && metadata.deletionTimestamp === undefined);
  const ips = (status?.podIPs ?? []).map(({ ip }) => ip);
  return (spec.ipFamilies ?? ["IPv4"]).flatMap((family) => {
    const ip = ips.find((each) => each.includes(":") === (family === "IPv6"));
    return ip === undefined ? [] : [[ip, ready]];
  });
}

function addressLags({ spec, status }: Service): string | undefined {
  if (spec.type !== "LoadBalancer" || !poolClasses.includes(spec.loadBalancerClass))
    return undefined;
  if ((status?.loadBalancer?.ingress ?? []).length > 0) return undefined;
  const seen = status?.conditions?.some(({ type }) => type === poolCondition);
  return seen ? undefined : "no address from a pool yet";
}
