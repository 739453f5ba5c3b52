// Traffic of an invented cluster: who there is, who talks to whom, and flows of that, as agents would tell them.
import {
  emptyFlow,
  EventType,
  type Flow,
  type FlowEndpoint,
  FlowType,
  ObservationPoint,
  rulePathLabel,
  TraceReason,
  TrafficDirection,
  Verdict,
} from "@tsilium/hubble/model.ts";
import { Random } from "./random.ts";

/** A workload with its pods, or somebody without pods. */
export type Party = {
  readonly endpoints: readonly FlowEndpoint[];
  readonly addresses: readonly string[];
  readonly dnsName?: string;
};

export type Talk = {
  readonly from: Party;
  readonly to: Party;
  readonly protocol: "tcp" | "udp";
  readonly port: number;
  /** Connections in proportion to others. */
  readonly weight: number;
  /** Service that is asked: "namespace/name". */
  readonly service?: string;
  readonly drop?: Drop;
};

export type Drop =
  /** At the receiver, unless `at` says otherwise. */
  | {
      readonly kind: "default-deny";
      readonly policies: readonly PolicyName[];
      readonly at?: "source";
    }
  | { readonly kind: "deny-rule"; readonly policy: PolicyName; readonly path: string }
  | { readonly kind: "reason"; readonly code: number };

export type PolicyName = {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
};

export type Scene = {
  readonly parties: ReadonlyMap<string, Party>;
  readonly talks: readonly Talk[];
};

let nextIdentity = 10_000;

export function workload(
  namespace: string,
  name: string,
  {
    pods = 2,
    kind = "Deployment",
    subnet = 0,
  }: { pods?: number; kind?: string; subnet?: number } = {},
): Party {
  const identity = nextIdentity++;
  const numbers = Array.from({ length: pods }, (_, index) => index);
  const suffix = (index: number) =>
    kind === "StatefulSet"
      ? String(index)
      : `${(identity * 7919).toString(36).slice(-5)}-${(identity * 31 + index * 977).toString(36).padStart(5, "x").slice(-5)}`;
  return {
    endpoints: numbers.map((index) => ({
      id: ((identity * 13 + index * 101) % 60_000) + 100,
      identity,
      clusterName: "default",
      namespace,
      labels: [
        `k8s:app=${name}`,
        `k8s:io.cilium.k8s.policy.serviceaccount=${name}`,
        `k8s:io.kubernetes.pod.namespace=${namespace}`,
      ].toSorted(),
      podName: `${name}-${suffix(index)}`,
      workloads: [{ name, kind }],
    })),
    addresses: numbers.map(
      (index) => `10.244.${subnet + (index % 2)}.${((identity * 3 + index * 17) % 250) + 2}`,
    ),
  };
}

export function reserved(name: string, identity: number, address: string, dnsName?: string): Party {
  const endpoint: FlowEndpoint = {
    id: 0,
    identity,
    clusterName: "",
    namespace: "",
    labels: [`reserved:${name}`],
    podName: "",
    workloads: [],
  };
  return {
    endpoints: [endpoint],
    addresses: [address],
    ...(dnsName === undefined ? {} : { dnsName }),
  };
}

/** Flows as they happen: each call makes some, spread over the time given. */
export class Traffic {
  readonly #talks: readonly Talk[];
  readonly #random: Random;
  readonly #weights: number;
  #sequence: number;

  constructor(scene: Scene, seed = 1, firstSequence = 1) {
    this.#talks = scene.talks;
    this.#random = new Random(seed);
    this.#weights = scene.talks.reduce((sum, { weight }) => sum + weight, 0);
    this.#sequence = firstSequence;
  }

  skipTo(sequence: number): void {
    this.#sequence = sequence;
  }

  /** About `count` flows between two times, UNIX milliseconds, in order. */
  between(fromMs: number, toMs: number, count: number): Flow[] {
    const flows: Flow[] = [];
    for (let made = 0; made < count;) {
      const share = made / count;
      const atMs = fromMs + share * (toMs - fromMs);
      const talk = this.#pick();
      const connection = this.#connection(talk, atMs);
      flows.push(...connection);
      made += connection.length;
    }
    return flows
      .toSorted((a, b) => (a.timeNs < b.timeNs ? -1 : a.timeNs > b.timeNs ? 1 : 0))
      .map((flow) => ({ ...flow, sequence: this.#sequence++ }));
  }

  #pick(): Talk {
    let left = this.#random.below(this.#weights);
    for (const talk of this.#talks) {
      left -= talk.weight;
      if (left < 0) return talk;
    }
    return this.#talks[0] as Talk;
  }

  #connection(talk: Talk, atMs: number): Flow[] {
    const random = this.#random;
    const fromIndex = random.below(talk.from.endpoints.length);
    const toIndex = random.below(talk.to.endpoints.length);
    const base = this.#base(talk, { fromIndex, toIndex, atMs });
    if (talk.drop) return [dropped(base, talk.drop)];
    const flows: Flow[] = [];
    const isToPod = base.destination.podName !== "";
    const point = isToPod ? ObservationPoint.toLxc : ObservationPoint.toStack;
    const trace = { ...base, ...traced(point, TraceReason.new), isReply: false };
    flows.push({
      ...trace,
      direction: isToPod ? TrafficDirection.ingress : TrafficDirection.egress,
      uuid: this.#uuid(),
    });
    if (talk.protocol === "tcp") {
      flows.push({
        ...reply(base),
        ...traced(ObservationPoint.toLxc, TraceReason.reply),
        isReply: true,
        direction: TrafficDirection.ingress,
        timeNs: base.timeNs + 180_000n,
        l4: withFlags(reply(base), "syn", "ack"),
        summary: "TCP Flags: SYN, ACK",
        uuid: this.#uuid(),
      });
    }
    return flows;
  }

  #base(
    talk: Talk,
    { fromIndex, toIndex, atMs }: { fromIndex: number; toIndex: number; atMs: number },
  ): Flow {
    const random = this.#random;
    const source = talk.from.endpoints[fromIndex] as FlowEndpoint;
    const destination = talk.to.endpoints[toIndex] as FlowEndpoint;
    const node = (endpoint: FlowEndpoint, index: number) =>
      `node-${((endpoint.identity + index) % 3) + 1}`;
    const sourcePort = 32_768 + random.below(28_000);
    const [namespace = "", name = ""] = (talk.service ?? "").split("/");
    const ports = { sourcePort, destinationPort: talk.port };
    return {
      ...emptyFlow,
      timeNs: BigInt(Math.round(atMs * 1000 + random.below(900))) * 1000n,
      uuid: this.#uuid(),
      verdict: Verdict.forwarded,
      ethernet: { source: "02:5e:10:00:00:01", destination: "02:5e:10:00:00:02" },
      ip: {
        source: talk.from.addresses[fromIndex] as string,
        sourceXlated: "",
        destination: talk.to.addresses[toIndex] as string,
        version: 1,
        encrypted: false,
      },
      l4:
        talk.protocol === "udp"
          ? { kind: "udp", ...ports }
          : { kind: "tcp", ...ports, flags: { ...noFlags, syn: true } },
      source,
      destination,
      type: FlowType.l3l4,
      nodeName: node(destination.podName === "" ? source : destination, toIndex),
      nodeLabels: ["kubernetes.io/arch=amd64"],
      sourceNames: talk.from.dnsName === undefined ? [] : [talk.from.dnsName],
      destinationNames: talk.to.dnsName === undefined ? [] : [talk.to.dnsName],
      destinationService: talk.service === undefined ? undefined : { namespace, name },
      interface: { index: 12, name: "lxc0a1b2c3d" },
      summary: talk.protocol === "tcp" ? "TCP Flags: SYN" : "UDP",
    };
  }

  #uuid(): string {
    const hex = (digits: number) =>
      Array.from({ length: digits }, () => this.#random.below(16).toString(16)).join("");
    return `${hex(8)}-${hex(4)}-4${hex(3)}-8${hex(3)}-${hex(12)}`;
  }
}

const noFlags = {
  fin: false,
  syn: false,
  rst: false,
  psh: false,
  ack: false,
  urg: false,
  ece: false,
  cwr: false,
  ns: false,
};

function withFlags(flow: Flow, ...names: readonly (keyof typeof noFlags)[]): Flow["l4"] {
  const flags = { ...noFlags, ...Object.fromEntries(names.map((name) => [name, true])) };
  return flow.l4?.kind === "tcp" ? { ...flow.l4, flags } : flow.l4;
}

function traced(point: number, reason: number): Partial<Flow> {
  return {
    eventType: { type: EventType.trace, subType: point },
    observationPoint: point,
    traceReason: reason,
  };
}

function reply(flow: Flow): Flow {
  const { l4, ip } = flow;
  return {
    ...flow,
    source: flow.destination,
    destination: flow.source,
    sourceNames: flow.destinationNames,
    destinationNames: flow.sourceNames,
    sourceService: flow.destinationService,
    destinationService: undefined,
    ip: ip && { ...ip, source: ip.destination, destination: ip.source },
    l4:
      l4 && "sourcePort" in l4
        ? { ...l4, sourcePort: l4.destinationPort, destinationPort: l4.sourcePort }
        : l4,
  };
}

function dropped(flow: Flow, drop: Drop): Flow {
  const code = drop.kind === "reason" ? drop.code : drop.kind === "deny-rule" ? 181 : 133;
  const isAtSource = drop.kind === "default-deny" && drop.at === "source";
  const policies =
    drop.kind === "reason"
      ? []
      : drop.kind === "deny-rule"
        ? [flowPolicy(drop.policy, drop.path)]
        : drop.policies.map((name) => flowPolicy(name, undefined));
  return {
    ...flow,
    verdict: Verdict.dropped,
    dropReason: code,
    eventType: { type: EventType.drop, subType: code },
    direction: isAtSource ? TrafficDirection.egress : TrafficDirection.ingress,
    ...(isAtSource ? { egressDeniedBy: policies } : { ingressDeniedBy: policies }),
  };
}

function flowPolicy({ kind, namespace, name }: PolicyName, path: string | undefined) {
  return {
    kind,
    namespace,
    name,
    revision: 7,
    labels: [
      `k8s:io.cilium.k8s.policy.derived-from=${kind}`,
      `k8s:io.cilium.k8s.policy.name=${name}`,
      `k8s:io.cilium.k8s.policy.namespace=${namespace}`,
      ...(path === undefined ? [] : [`${rulePathLabel}=${path}`]),
    ],
  };
}
