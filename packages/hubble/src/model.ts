// A flow as every part of Hubble has it in hand: decoded from the kernel, read from history, received from a peer.
// Fields and numbers are Cilium's flow.proto's (src/proto/flow/flow.proto); absent is undefined, 0 or "".
//
// Endpoints are shared: flows of one pod refer to one object, so that filters, encoders and the store may remember
// what they know of it by its identity (a WeakMap).

/** flow.Verdict. */
export const Verdict = {
  unknown: 0,
  forwarded: 1,
  dropped: 2,
  error: 3,
  audit: 4,
  redirected: 5,
  traced: 6,
  translated: 7,
} as const;

/** flow.FlowType. */
export const FlowType = { unknown: 0, l3l4: 1, l7: 2, sock: 3 } as const;

/** flow.TrafficDirection: as the endpoint sees it that the flow was seen at. */
export const TrafficDirection = { unknown: 0, ingress: 1, egress: 2 } as const;

/** flow.EventType: CiliumEventType.type, Cilium's monitor message types. */
export const EventType = {
  unknown: 0,
  drop: 1,
  debug: 2,
  capture: 3,
  trace: 4,
  policyVerdict: 5,
  recorder: 7,
  traceSock: 8,
  l7: 129,
} as const;

/** flow.TraceObservationPoint; also the sub-type of trace events. */
export const ObservationPoint = {
  toLxc: 0,
  toProxy: 1,
  toHost: 2,
  toStack: 3,
  toOverlay: 4,
  fromLxc: 5,
  fromProxy: 6,
  fromHost: 7,
  fromStack: 8,
  fromOverlay: 9,
  fromNetwork: 10,
  toNetwork: 11,
  fromCrypto: 12,
  toCrypto: 13,
} as const;

/** flow.TraceReason. */
export const TraceReason = {
  unknown: 0,
  new: 1,
  established: 2,
  reply: 3,
  related: 4,
} as const;

/** flow.SocketTranslationPoint. */
export const SocketPoint = {
  unknown: 0,
  preForward: 1,
  postForward: 2,
  preReverse: 3,
  postReverse: 4,
} as const;

export type Workload = { readonly name: string; readonly kind: string };

/** flow.Endpoint. */
export type FlowEndpoint = {
  /** Of the node that saw the flow; 0: not one of its endpoints. */
  readonly id: number;
  /** 0: not known. */
  readonly identity: number;
  readonly clusterName: string;
  readonly namespace: string;
  /** As "k8s:app=web", sorted. */
  readonly labels: readonly string[];
  readonly podName: string;
  readonly workloads: readonly Workload[];
};

export type FlowService = { readonly name: string; readonly namespace: string };

/** flow.Policy: one policy that had a part in the verdict. */
export type FlowPolicy = {
  readonly name: string;
  readonly namespace: string;
  /** As in Cilium, "k8s:io.cilium.k8s.policy.name=..." and so on, and the deciding rule's place in the object as `rulePathLabel`. */
  readonly labels: readonly string[];
  readonly revision: number;
  /** "CiliumNetworkPolicy", "NetworkPolicy", ... */
  readonly kind: string;
};

/** Key of the label of a FlowPolicy that holds the rule's path, "tsilium:io.tsilium.policy.rule-path=spec.ingress[0]". */
export const rulePathLabel = "tsilium:io.tsilium.policy.rule-path";

export type TcpFlags = {
  readonly fin: boolean;
  readonly syn: boolean;
  readonly rst: boolean;
  readonly psh: boolean;
  readonly ack: boolean;
  readonly urg: boolean;
  readonly ece: boolean;
  readonly cwr: boolean;
  readonly ns: boolean;
};

/** flow.Layer4. Ports are numbers in host order. */
export type Layer4 =
  | {
      readonly kind: "tcp";
      readonly sourcePort: number;
      readonly destinationPort: number;
      /** undefined: not known (a socket's translation). */
      readonly flags: TcpFlags | undefined;
    }
  | { readonly kind: "udp" | "sctp"; readonly sourcePort: number; readonly destinationPort: number }
  | { readonly kind: "icmp4" | "icmp6"; readonly type: number; readonly code: number };

export type FlowIp = {
  readonly source: string;
  /** What the source was translated to, "" if it was not. */
  readonly sourceXlated: string;
  readonly destination: string;
  /** flow.IPVersion: 1 is IPv4, 2 is IPv6. */
  readonly version: 1 | 2;
  readonly encrypted: boolean;
};

export type HttpHeader = { readonly key: string; readonly value: string };

/** flow.Layer7. `type`: flow.L7FlowType (1 request, 2 response, 3 sample). */
export type Layer7 = {
  readonly type: 0 | 1 | 2 | 3;
  readonly latencyNs: number;
} & (
  | {
      readonly kind: "dns";
      readonly query: string;
      readonly ips: readonly string[];
      readonly ttl: number;
      readonly cnames: readonly string[];
      readonly observationSource: string;
      readonly rcode: number;
      readonly qtypes: readonly string[];
      readonly rrtypes: readonly string[];
    }
  | {
      readonly kind: "http";
      /** 0: of a request. */
      readonly code: number;
      readonly method: string;
      readonly url: string;
      readonly protocol: string;
      readonly headers: readonly HttpHeader[];
    }
  | {
      readonly kind: "kafka";
      readonly errorCode: number;
      readonly apiVersion: number;
      readonly apiKey: string;
      readonly correlationId: number;
      readonly topic: string;
    }
);

export type Flow = {
  /** Grows by one from flow to flow on the node that keeps it, over restarts too; not on the wire, 0 for a peer's flow. */
  readonly sequence: number;
  /** UNIX time, nanoseconds. */
  readonly timeNs: bigint;
  /** RFC 9562 text. On this node: made of the node's store id and `sequence` (flowUuid). */
  readonly uuid: string;
  /** A number of Verdict. */
  readonly verdict: number;
  /** flow.DropReason, Cilium's numbers; 0: not dropped. */
  readonly dropReason: number;
  /** "aa:bb:cc:dd:ee:ff"; undefined: no Ethernet header was seen. */
  readonly ethernet: { readonly source: string; readonly destination: string } | undefined;
  readonly ip: FlowIp | undefined;
  readonly l4: Layer4 | undefined;
  readonly source: FlowEndpoint;
  readonly destination: FlowEndpoint;
  /** A number of FlowType. */
  readonly type: number;
  /** "cluster/node", or the node's name alone in the cluster "default", as in Cilium. */
  readonly nodeName: string;
  /** As "key=value", sorted. */
  readonly nodeLabels: readonly string[];
  readonly sourceNames: readonly string[];
  readonly destinationNames: readonly string[];
  readonly l7: Layer7 | undefined;
  /** undefined: not known (most drops). */
  readonly isReply: boolean | undefined;
  /** `subType`: a drop's reason, a trace's ObservationPoint, a verdict's match type, a socket event's SocketPoint. */
  readonly eventType: { readonly type: number; readonly subType: number };
  readonly sourceService: FlowService | undefined;
  readonly destinationService: FlowService | undefined;
  /** A number of TrafficDirection. */
  readonly direction: number;
  /** Cilium's monitor policy match: 0 none, 1 L3 only, 2 L3 and L4, 3 L4 only, 4 all, 5 L3 and proto, 6 proto only. */
  readonly policyMatchType: number;
  /** -1: not a trace. Encoded as flow.TraceObservationPoint (whose TO_ENDPOINT is 101 on the wire; see src/codec). */
  readonly observationPoint: number;
  /** A number of TraceReason. */
  readonly traceReason: number;
  readonly interface: { readonly index: number; readonly name: string } | undefined;
  readonly proxyPort: number;
  /** A number of SocketPoint. */
  readonly socketPoint: number;
  readonly socketCookie: bigint;
  readonly cgroupId: bigint;
  /** For people: "TCP Flags: SYN". */
  readonly summary: string;
  readonly egressAllowedBy: readonly FlowPolicy[];
  readonly ingressAllowedBy: readonly FlowPolicy[];
  readonly egressDeniedBy: readonly FlowPolicy[];
  readonly ingressDeniedBy: readonly FlowPolicy[];
  readonly policyLog: readonly string[];
};

/** Of a pod that nobody knows. */
export const unknownEndpoint: FlowEndpoint = Object.freeze({
  id: 0,
  identity: 0,
  clusterName: "",
  namespace: "",
  labels: [],
  podName: "",
  workloads: [],
});

/** Everything absent: what a decoder spreads its own fields over. Keys are in the order of `Flow`, so that all flows have one hidden class. */
export const emptyFlow: Flow = Object.freeze({
  sequence: 0,
  timeNs: 0n,
  uuid: "",
  verdict: 0,
  dropReason: 0,
  ethernet: undefined,
  ip: undefined,
  l4: undefined,
  source: unknownEndpoint,
  destination: unknownEndpoint,
  type: 0,
  nodeName: "",
  nodeLabels: [],
  sourceNames: [],
  destinationNames: [],
  l7: undefined,
  isReply: undefined,
  eventType: { type: 0, subType: 0 },
  sourceService: undefined,
  destinationService: undefined,
  direction: 0,
  policyMatchType: 0,
  observationPoint: -1,
  traceReason: 0,
  interface: undefined,
  proxyPort: 0,
  socketPoint: 0,
  socketCookie: 0n,
  cgroupId: 0n,
  summary: "",
  egressAllowedBy: [],
  ingressAllowedBy: [],
  egressDeniedBy: [],
  ingressDeniedBy: [],
  policyLog: [],
});

/** flow.LostEventSource. */
export const LostEventSource = {
  unknown: 0,
  /** The kernel could not hand it over: the budget of events, or a full ring. */
  perfEventRingBuffer: 1,
  /** The server could not keep up with what the kernel handed over. */
  observerEventsQueue: 2,
  /** Overwritten before this client read it. */
  hubbleRingBuffer: 3,
} as const;

/** flow.LostEvent: flows that happened and are not told. */
export type LostEvents = {
  readonly source: number;
  readonly count: number;
  /** undefined: of no one CPU. */
  readonly cpu: number | undefined;
  readonly firstNs: bigint;
  readonly lastNs: bigint;
};

/** flow.AgentEvent, the parts that we have. `type`: flow.AgentEventType. */
export type AgentEvent = {
  readonly timeNs: bigint;
  readonly type: number;
  readonly notification:
    | { readonly kind: "agentStart" }
    | {
        readonly kind: "endpointUpdate";
        readonly id: number;
        readonly labels: readonly string[];
        readonly error: string;
        readonly podName: string;
        readonly namespace: string;
      }
    | {
        readonly kind: "policyUpdate";
        readonly labels: readonly string[];
        readonly revision: number;
        readonly ruleCount: number;
      }
    | {
        readonly kind: "ipCacheUpdate";
        readonly cidr: string;
        readonly identity: number;
        readonly hostIp: string;
        readonly namespace: string;
        readonly podName: string;
      }
    | { readonly kind: "unknown"; readonly text: string };
};

/** What a store knows of some of its flows without reading them, so that whole blocks can be passed over. */
export type BlockSummary = {
  readonly firstNs: bigint;
  readonly lastNs: bigint;
  /** Bit n: a flow with that Verdict. */
  readonly verdicts: number;
  /** Types of events (EventType) that occur. */
  readonly eventTypes: readonly number[];
  /** Every endpoint that occurs, as a source or a destination. */
  readonly endpoints: readonly FlowEndpoint[];
};

/** Compiled filters: whitelist and blacklist in one. */
export type FlowMatcher = {
  /** Whether the flow is wanted. */
  matches(flow: Flow): boolean;
  /** False only if no flow of such a block can match. */
  mayMatch(block: BlockSummary): boolean;
};

/** Where flows of the past are. Flows come in batches, so that reading many does not hold up the thread. */
export type FlowHistory = {
  /** The last flow's sequence, 0: none. A node's numbering goes on from there after a restart. */
  readonly lastSequence: number;
  /**
   * Flows that match, newest first, with `sequence` below `belowSequence` and a time in [sinceNs, untilNs]. Ends early when
   * the reader leaves the loop. @throws AbortError
   */
  newestFirst(query: HistoryQuery, signal: AbortSignal): AsyncIterable<readonly Flow[]>;
  /** The same, oldest first. */
  oldestFirst(query: HistoryQuery, signal: AbortSignal): AsyncIterable<readonly Flow[]>;
};

export type HistoryQuery = {
  readonly matcher: FlowMatcher;
  readonly belowSequence: number;
  readonly sinceNs: bigint | undefined;
  readonly untilNs: bigint | undefined;
};
