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

/**
 * Who is who on the map. An agent knows the workload of its own node's pods alone: of the others it tells the pod, and
 * what another agent has told of that pod counts. So it remembers, for all who ask the same server.
 */
export class MapNames {
  readonly #ofEndpoint = new WeakMap<FlowEndpoint, MapNode>();
  readonly #ofKey = new Map<string, MapNode>();
  readonly #workloadOfPod = new Map<string, MapNode>();

  /** undefined: the map does not show it (the socket's view of a service, of which the connection itself is shown). */
  ends(flow: Flow): MapEnds | undefined {
    const isReply = flow.isReply === true;
    const { l4 } = flow;
    const service = isReply ? flow.sourceService : flow.destinationService;
    const from = this.#end(flow.source, flow.sourceNames, isReply ? service : undefined);
    const to = this.#end(flow.destination, flow.destinationNames, isReply ? undefined : service);
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

  /** What a pod that was told without its workload is known to belong to by now. */
  workloadOf({ kind, namespace, name }: MapNode): MapNode | undefined {
    return kind === "pod" ? this.#workloadOfPod.get(`${namespace}/${name}`) : undefined;
  }

  #end(
    endpoint: FlowEndpoint,
    names: readonly string[],
    service: FlowService | undefined,
  ): MapNode {
    const isPod = endpoint.podName !== "";
    if (!isPod && service && service.name !== "")
      return this.#node("service", service.namespace, service.name);
    const [name] = names;
    if (!isPod && name !== undefined && isOfWorld(endpoint))
      return this.#node("fqdn", "", name.replace(/\.$/, ""));
    let node = this.#ofEndpoint.get(endpoint);
    if (!node) {
      node = this.#plain(endpoint);
      this.#ofEndpoint.set(endpoint, node);
    }
    return this.workloadOf(node) ?? node;
  }

  #plain({ identity, labels, namespace, podName, workloads }: FlowEndpoint): MapNode {
    const [workload] = workloads;
    if (workload && namespace !== "") {
      const node = this.#node("workload", namespace, workload.name, workload.kind);
      if (podName !== "") this.#remember(`${namespace}/${podName}`, node);
      return node;
    }
    if (podName !== "") return this.#node("pod", namespace, podName);
    // The API server is worth more than the fact that it is a host.
    if (labels.includes("reserved:kube-apiserver"))
      return this.#node("reserved", "", "kube-apiserver");
    const cidr = labels.find((label) => label.startsWith("cidr:"));
    if (cidr !== undefined) return this.#node("cidr", "", cidr.slice(5).replace(/=.*$/, ""));
    const reserved = reservedName(identity) ?? reservedLabel(labels);
    if (reserved === undefined || reserved === "unknown")
      return this.#node("unknown", "", "unknown");
    // The world is one place, whatever the family.
    return this.#node("reserved", "", reserved.replace(/-ipv[46]$/, ""));
  }

  #remember(pod: string, node: MapNode): void {
    if (this.#workloadOfPod.size >= mostRemembered) this.#workloadOfPod.clear();
    this.#workloadOfPod.set(pod, node);
  }

  #node(kind: MapNodeKind, namespace: string, name: string, workloadKind = ""): MapNode {
    const key = [kind, namespace, workloadKind, name].map(encodeURIComponent).join("/");
    const known = this.#ofKey.get(key);
    if (known) return known;
    if (this.#ofKey.size >= mostRemembered) this.#ofKey.clear();
    const node: MapNode = Object.freeze({ key, kind, namespace, name, workloadKind });
    this.#ofKey.set(key, node);
    return node;
  }
}

const traced = 6;
const l4Names = { tcp: "TCP", udp: "UDP", sctp: "SCTP", icmp4: "ICMP", icmp6: "ICMPv6" } as const;
const mostRemembered = 50_000;

function isOfWorld({ identity, labels }: FlowEndpoint): boolean {
  return (
    [0, 2, 9, 10].includes(identity) ||
    labels.some((label) => label.startsWith("cidr:") || label.startsWith("reserved:world"))
  );
}

function reservedLabel(labels: readonly string[]): string | undefined {
  return labels.find((label) => label.startsWith("reserved:"))?.slice("reserved:".length);
}
