// Which node of the map a flow's end belongs to.
import type { Flow, FlowEndpoint, FlowService } from "@tsilium/hubble/model.ts";
import type { MapNode, MapNodeKind } from "../shared/map-model.ts";
import { reservedName } from "../shared/names.ts";

/** The two ends of a flow's connection: the source is who opened it, so a reply's ends are turned round. */
export type MapEnds = {
  readonly source: MapNode;
  readonly destination: MapNode;
  readonly protocol: string;
  readonly port: number;
  /** The service that was asked, when it was. */
  readonly service: FlowService | undefined;
};

/** undefined: the map does not show it (the socket's view of a service, of which the connection itself is shown). */
export function mapEnds(flow: Flow): MapEnds | undefined {
  const isReply = flow.isReply === true;
  const { l4 } = flow;
  const service = isReply ? flow.sourceService : flow.destinationService;
  const from = end(flow.source, flow.sourceNames, isReply ? service : undefined);
  const to = end(flow.destination, flow.destinationNames, isReply ? undefined : service);
  const source = isReply ? to : from;
  const destination = isReply ? from : to;
  if (destination.kind === "service" && flow.verdict === traced) return undefined;
  const hasPorts = l4 !== undefined && "sourcePort" in l4;
  return {
    source,
    destination,
    protocol: flow.l7 ? flow.l7.kind.toUpperCase() : l4 ? l4Names[l4.kind] : "",
    port: hasPorts ? (isReply ? l4.sourcePort : l4.destinationPort) : 0,
    service,
  };
}

const traced = 6;
const l4Names = { tcp: "TCP", udp: "UDP", sctp: "SCTP", icmp4: "ICMP", icmp6: "ICMPv6" } as const;

const ofEndpoint = new WeakMap<FlowEndpoint, MapNode>();
const ofName = new Map<string, MapNode>();

function end(
  endpoint: FlowEndpoint,
  names: readonly string[],
  service: FlowService | undefined,
): MapNode {
  const isPod = endpoint.podName !== "";
  if (!isPod && service && service.name !== "")
    return interned("service", service.namespace, service.name, "");
  const [name] = names;
  if (!isPod && name !== undefined && isOfWorld(endpoint))
    return interned("fqdn", "", name.replace(/\.$/, ""), "");
  let node = ofEndpoint.get(endpoint);
  if (!node) {
    node = plain(endpoint);
    ofEndpoint.set(endpoint, node);
  }
  return node;
}

function plain({ identity, labels, namespace, podName, workloads }: FlowEndpoint): MapNode {
  const [workload] = workloads;
  if (workload && namespace !== "")
    return interned("workload", namespace, workload.name, workload.kind);
  if (podName !== "") return interned("pod", namespace, podName, "");
  // The API server is worth more than the fact that it is a host.
  if (labels.includes("reserved:kube-apiserver")) return interned("reserved", "", "kube-apiserver", "");
  const cidr = labels.find((label) => label.startsWith("cidr:"));
  if (cidr !== undefined) return interned("cidr", "", cidr.slice(5).replace(/=.*$/, ""), "");
  const reserved = reservedName(identity) ?? reservedLabel(labels);
  if (reserved === undefined || reserved === "unknown") return interned("unknown", "", "unknown", "");
  // The world is one place, whatever the family.
  return interned("reserved", "", reserved.replace(/-ipv[46]$/, ""), "");
}

function isOfWorld({ identity, labels }: FlowEndpoint): boolean {
  return (
    [0, 2, 9, 10].includes(identity) ||
    labels.some((label) => label.startsWith("cidr:") || label.startsWith("reserved:world"))
  );
}

function reservedLabel(labels: readonly string[]): string | undefined {
  return labels.find((label) => label.startsWith("reserved:"))?.slice("reserved:".length);
}

/** One object per node for as long as the process lives, so that maps of maps can be keyed by it. Bounded. */
function interned(
  kind: MapNodeKind,
  namespace: string,
  name: string,
  workloadKind: string,
): MapNode {
  const key = [kind, namespace, workloadKind, name].map(encodeURIComponent).join("/");
  const known = ofName.get(key);
  if (known) return known;
  if (ofName.size >= mostNodes) ofName.clear();
  const node: MapNode = Object.freeze({ key, kind, namespace, name, workloadKind });
  ofName.set(key, node);
  return node;
}

const mostNodes = 50_000;
