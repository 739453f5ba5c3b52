// Flows as a real node has them, from a seed: 200 pods of 40 workloads, both families, connections with ephemeral ports
// seen several times each, services translated at the socket, policies on verdicts, some drops, some of the world.
import {
  emptyFlow,
  EventType,
  type Flow,
  type FlowEndpoint,
  type FlowPolicy,
  FlowType,
  ObservationPoint,
  SocketPoint,
  type TcpFlags,
  TraceReason,
  TrafficDirection,
  unknownEndpoint,
  Verdict,
} from "../../model.ts";
import { flowUuid, type StoreId } from "../uuid.ts";

/** Numbers in [0, 1), always the same for a seed (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export type NodeOptions = {
  readonly seed: number;
  readonly pods?: number;
  /** Flows a second, which the times follow. */
  readonly rate?: number;
  readonly storeId?: StoreId;
  readonly startNs?: bigint;
  readonly firstSequence?: number;
};

type Pod = {
  readonly endpoint: FlowEndpoint;
  readonly addresses: readonly [string, string];
  readonly mac: string;
  readonly device: { readonly index: number; readonly name: string };
  readonly isLocal: boolean;
  readonly workload: number;
  readonly cgroupId: bigint;
};

/** A node that never stops; `next(count)` are its next flows. */
export class BusyNode {
  readonly #random: () => number;
  readonly #pods: readonly Pod[];
  readonly #local: readonly Pod[];
  readonly #workloads: number;
  readonly #policies: readonly FlowPolicy[];
  readonly #allowLists: readonly (readonly FlowPolicy[])[];
  readonly #rate: number;
  readonly #storeId: StoreId;
  readonly #waiting: Flow[] = [];
  #nowNs: bigint;
  #sequence: number;
  #cookie = 10_000;
  readonly #flags = new Map<string, TcpFlags>();

  constructor(options: NodeOptions) {
    this.#random = randomNumbers(options.seed);
    this.#rate = options.rate ?? 10_000;
    this.#storeId = options.storeId ?? "01234567-89ab-8def-8123-456789abcdef".slice(0, 24);
    this.#nowNs = options.startNs ?? 1_790_000_000_000_000_000n;
    this.#sequence = options.firstSequence ?? 1;
    const count = options.pods ?? 200;
    this.#workloads = Math.min(40, count);
    this.#pods = Array.from({ length: count }, (_, index) => this.#pod(index));
    this.#local = this.#pods.filter(({ isLocal }) => isLocal);
    this.#policies = Array.from({ length: 40 }, (_, index) => policy(index));
    this.#allowLists = this.#policies.map((one) => [one]);
  }

  next(count: number): Flow[] {
    while (this.#waiting.length < count) this.#connection();
    return this.#waiting.splice(0, count);
  }

  get pods(): readonly FlowEndpoint[] {
    return this.#pods.map(({ endpoint }) => endpoint);
  }

  #pod(index: number): Pod {
    const workload = index % this.#workloads;
    const namespace = `team-${workload % 8}`;
    const name = `service-${workload}`;
    const hash = Math.floor(this.#random() * 2 ** 32).toString(36);
    return {
      workload,
      isLocal: index < 110,
      endpoint: {
        ...unknownEndpoint,
        id: index < 110 ? 1000 + index : 0,
        identity: 10_000 + workload,
        clusterName: "default",
        namespace,
        labels: [
          `k8s:app.kubernetes.io/name=${name}`,
          `k8s:app.kubernetes.io/part-of=shop`,
          `k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name=${namespace}`,
          "k8s:io.cilium.k8s.policy.cluster=default",
          `k8s:io.cilium.k8s.policy.serviceaccount=${name}`,
          `k8s:io.kubernetes.pod.namespace=${namespace}`,
        ],
        podName: `${name}-${hash}-${this.#letters(5)}`,
        workloads: [{ name, kind: "Deployment" }],
      },
      addresses: [
        `10.244.${index < 110 ? 1 : 2}.${index % 250}`,
        `fd00:10:244:${index < 110 ? 1 : 2}::${(0x1000 + index).toString(16)}`,
      ],
      mac: this.#mac(),
      device: { index: 10 + index, name: `lxc${this.#letters(12)}` },
      cgroupId: BigInt(20_000 + Math.floor(this.#random() * 100_000)),
    };
  }

  #letters(count: number): string {
    return Array.from({ length: count }, () => Math.floor(this.#random() * 16).toString(16)).join(
      "",
    );
  }

  #mac(): string {
    return Array.from({ length: 6 }, () => this.#letters(2)).join(":");
  }

  #pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.#random() * from.length)] as T;
  }

  /** A connection and the flows that it makes on this node. */
  #connection(): void {
    const kind = this.#random();
    if (kind < 0.03) return this.#drop();
    if (kind < 0.1) return this.#fromWorld();
    if (kind < 0.13) return this.#ping();
    const source = this.#pick(this.#local);
    // Each workload talks to a few others, most of all to some.
    const target = (source.workload * 7 + Math.floor(this.#random() ** 2 * 6)) % this.#workloads;
    const destination = this.#pick(this.#pods.filter(({ workload }) => workload === target));
    this.#between(source, destination);
  }

  #between(source: Pod, destination: Pod): void {
    const family = this.#random() < 0.3 ? 1 : 0;
    const isUdp = this.#random() < 0.25;
    const port = isUdp ? 53 : [8080, 8443, 9090, 5432, 6379][destination.workload % 5]!;
    const client = 32_768 + Math.floor(this.#random() * 28_232);
    const ip = {
      source: source.addresses[family],
      sourceXlated: "",
      destination: destination.addresses[family],
      version: family === 1 ? 2 : 1,
      encrypted: false,
    } as const;
    const way = {
      source: source.endpoint,
      destination: destination.endpoint,
      sourcePort: client,
      destinationPort: port,
      isUdp,
    };
    if (this.#random() < 0.6) this.#translated(source, destination, { family, port, isUdp });
    const forward = { ...way, ip };
    const backward = {
      source: destination.endpoint,
      destination: source.endpoint,
      sourcePort: port,
      destinationPort: client,
      isUdp,
      ip: { ...ip, source: ip.destination, destination: ip.source },
    };
    const isBoth = destination.isLocal;
    const allowed = this.#allowLists[destination.workload]!;
    this.#verdict(forward, source, { flags: "SYN", isIngress: false, allowed });
    this.#trace(forward, source, { flags: "SYN", isReply: false, isNew: true });
    if (isBoth) {
      this.#verdict(forward, destination, { flags: "SYN", isIngress: true, allowed });
      this.#trace(forward, destination, { flags: "SYN", isReply: false, isNew: true, isTo: true });
      this.#trace(backward, destination, { flags: "SYN, ACK", isReply: true });
    }
    this.#trace(backward, source, { flags: "SYN, ACK", isReply: true, isTo: true });
    if (isUdp) return;
    this.#trace(forward, source, { flags: "ACK, PSH", isReply: false });
    this.#trace(forward, source, { flags: "ACK, FIN", isReply: false });
    this.#trace(backward, source, { flags: "ACK, FIN", isReply: true, isTo: true });
    if (isBoth)
      this.#trace(forward, destination, { flags: "ACK, FIN", isReply: false, isTo: true });
  }

  #push(flow: Omit<Partial<Flow>, "timeNs" | "sequence" | "uuid">): void {
    const gap = (-Math.log(1 - this.#random()) * 1e9) / this.#rate;
    this.#nowNs += BigInt(Math.floor(gap) + 1);
    const sequence = this.#sequence++;
    this.#waiting.push({
      ...emptyFlow,
      nodeName: "node-1",
      nodeLabels: nodeLabels,
      ...flow,
      sequence,
      timeNs: this.#nowNs,
      uuid: flowUuid(this.#storeId, sequence),
    });
  }

  #trace(way: Way, at: Pod, how: TraceOf): void {
    const point = how.isTo ? ObservationPoint.toLxc : ObservationPoint.fromLxc;
    this.#push({
      ...this.#packet(way, at, how.flags),
      verdict: Verdict.forwarded,
      isReply: how.isReply,
      eventType: { type: EventType.trace, subType: point },
      observationPoint: point,
      traceReason: how.isNew
        ? TraceReason.new
        : how.isReply
          ? TraceReason.reply
          : TraceReason.established,
      direction: how.isTo === how.isReply ? TrafficDirection.egress : TrafficDirection.ingress,
    });
  }

  #verdict(
    way: Way,
    at: Pod,
    how: { flags: string; isIngress: boolean; allowed: readonly FlowPolicy[] },
  ): void {
    this.#push({
      ...this.#packet(way, at, how.flags),
      verdict: Verdict.forwarded,
      isReply: false,
      eventType: { type: EventType.policyVerdict, subType: 2 },
      policyMatchType: 2,
      direction: how.isIngress ? TrafficDirection.ingress : TrafficDirection.egress,
      ...(how.isIngress ? { ingressAllowedBy: how.allowed } : { egressAllowedBy: how.allowed }),
    });
  }

  #packet(
    { ip, source, destination, sourcePort, destinationPort, isUdp }: Way,
    at: Pod,
    flags: string,
  ) {
    return {
      type: FlowType.l3l4,
      ethernet: { source: at.mac, destination: "0e:5a:11:22:33:44" },
      // As a decoder has them: texts of their own.
      ip: { ...ip, source: fresh(ip.source), destination: fresh(ip.destination) },
      l4: isUdp
        ? ({ kind: "udp", sourcePort, destinationPort } as const)
        : ({ kind: "tcp", sourcePort, destinationPort, flags: this.#flagsOf(flags) } as const),
      source,
      destination,
      interface: at.device,
      summary: isUdp ? "UDP" : `TCP Flags: ${flags}`,
    };
  }

  #flagsOf(text: string): TcpFlags {
    let flags = this.#flags.get(text);
    if (!flags) {
      const has = (name: string) => text.includes(name);
      this.#flags.set(
        text,
        (flags = {
          fin: has("FIN"),
          syn: has("SYN"),
          rst: has("RST"),
          psh: has("PSH"),
          ack: has("ACK"),
          urg: false,
          ece: false,
          cwr: false,
          ns: false,
        }),
      );
    }
    return flags;
  }

  #translated(
    source: Pod,
    destination: Pod,
    { family, port, isUdp }: { family: 0 | 1; port: number; isUdp: boolean },
  ): void {
    const service = {
      name: `service-${destination.workload}`,
      namespace: destination.endpoint.namespace,
    };
    const front =
      family === 1
        ? `fd00:10:96::${(0x100 + destination.workload).toString(16)}`
        : `10.96.1.${destination.workload}`;
    const l4 = isUdp
      ? ({ kind: "udp", sourcePort: 0, destinationPort: port } as const)
      : ({ kind: "tcp", sourcePort: 0, destinationPort: port, flags: undefined } as const);
    const common = {
      type: FlowType.sock,
      source: source.endpoint,
      l4,
      direction: TrafficDirection.egress,
      socketCookie: BigInt(this.#cookie++),
      cgroupId: source.cgroupId,
      summary: isUdp ? "UDP" : "TCP",
      destinationService: service,
    };
    const ip = {
      source: source.addresses[family],
      sourceXlated: "",
      version: family === 1 ? 2 : 1,
      encrypted: false,
    } as const;
    this.#push({
      ...common,
      verdict: Verdict.traced,
      ip: { ...ip, destination: front },
      eventType: { type: EventType.traceSock, subType: SocketPoint.preForward },
      socketPoint: SocketPoint.preForward,
    });
    this.#push({
      ...common,
      verdict: Verdict.translated,
      destination: destination.endpoint,
      ip: { ...ip, destination: destination.addresses[family] },
      eventType: { type: EventType.traceSock, subType: SocketPoint.postForward },
      socketPoint: SocketPoint.postForward,
    });
  }

  #drop(): void {
    const source = this.#pick(this.#local);
    const destination = this.#pick(this.#pods);
    const way = {
      source: source.endpoint,
      destination: destination.endpoint,
      sourcePort: 32_768 + Math.floor(this.#random() * 28_232),
      destinationPort: this.#pick([22, 80, 443, 3306]),
      isUdp: false,
      ip: {
        source: source.addresses[0],
        sourceXlated: "",
        destination: destination.addresses[0],
        version: 1,
        encrypted: false,
      } as const,
    };
    this.#push({
      ...this.#packet(way, source, "SYN"),
      verdict: Verdict.dropped,
      dropReason: 133,
      eventType: { type: EventType.drop, subType: 133 },
      direction: TrafficDirection.egress,
      egressDeniedBy: this.#allowLists[source.workload]!,
    });
  }

  #fromWorld(): void {
    const destination = this.#pick(this.#local);
    const address = Array.from({ length: 4 }, () => 1 + Math.floor(this.#random() * 222)).join(".");
    const way = {
      source: world,
      destination: destination.endpoint,
      sourcePort: 1024 + Math.floor(this.#random() * 64_000),
      destinationPort: 8443,
      isUdp: false,
      ip: {
        source: address,
        sourceXlated: "",
        destination: destination.addresses[0],
        version: 1,
        encrypted: false,
      } as const,
    };
    this.#trace(way, destination, { flags: "SYN", isReply: false, isNew: true, isTo: true });
    this.#trace(way, destination, { flags: "ACK, FIN", isReply: false, isTo: true });
  }

  #ping(): void {
    const source = this.#pick(this.#local);
    const ip = {
      source: "10.244.1.1",
      sourceXlated: "",
      destination: source.addresses[0],
      version: 1,
      encrypted: false,
    } as const;
    this.#push({
      type: FlowType.l3l4,
      verdict: Verdict.forwarded,
      ethernet: { source: "0e:5a:11:22:33:44", destination: source.mac },
      ip,
      l4: { kind: "icmp4", type: 8, code: 0 },
      source: host,
      destination: source.endpoint,
      isReply: false,
      eventType: { type: EventType.trace, subType: ObservationPoint.toLxc },
      observationPoint: ObservationPoint.toLxc,
      traceReason: TraceReason.new,
      direction: TrafficDirection.ingress,
      interface: source.device,
      summary: "ICMPv4 EchoRequest",
    });
  }
}

type Way = {
  readonly source: FlowEndpoint;
  readonly destination: FlowEndpoint;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly isUdp: boolean;
  readonly ip: NonNullable<Flow["ip"]>;
};

type TraceOf = {
  readonly flags: string;
  readonly isReply: boolean;
  readonly isNew?: boolean;
  /** To the endpoint, not from it. */
  readonly isTo?: boolean;
};

const world: FlowEndpoint = { ...unknownEndpoint, identity: 2, labels: ["reserved:world"] };
const host: FlowEndpoint = { ...unknownEndpoint, identity: 1, labels: ["reserved:host"] };
const nodeLabels = ["beta.kubernetes.io/os=linux", "kubernetes.io/hostname=node-1"];

function policy(index: number): FlowPolicy {
  const name = `allow-service-${index}`;
  const namespace = `team-${index % 8}`;
  return {
    name,
    namespace,
    kind: "CiliumNetworkPolicy",
    revision: 7,
    labels: [
      "k8s:io.cilium.k8s.policy.derived-from=CiliumNetworkPolicy",
      `k8s:io.cilium.k8s.policy.name=${name}`,
      `k8s:io.cilium.k8s.policy.namespace=${namespace}`,
      "tsilium:io.tsilium.policy.rule-path=spec.ingress[0]",
    ],
  };
}

/** The same characters in a string that no table has seen. */
function fresh(text: string): string {
  return Buffer.from(text, "latin1").toString("latin1");
}
