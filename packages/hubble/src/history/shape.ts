// What kind of flow it is: event, verdict, reasons, flags, policies, everything that has few values in few combinations.
import type { Flow, FlowPolicy, TcpFlags } from "../model.ts";
import type { Dictionaries, StoredDictionaries } from "./dictionaries.ts";
import { corrupt } from "./errors.ts";

/** Fields of its tuple. */
const Field = {
  verdict: 0,
  dropReason: 1,
  type: 2,
  eventType: 3,
  eventSubType: 4,
  /** 0: not known, 1: no, 2: yes. */
  isReply: 5,
  direction: 6,
  policyMatchType: 7,
  /** + 1, so that none is 0. */
  observationPoint: 8,
  traceReason: 9,
  proxyPort: 10,
  socketPoint: 11,
  /** Number in `l4Kinds`. */
  l4: 12,
  /** TCP: the flags' bits + 1, 0: not known. ICMP: the type. */
  l4Detail: 13,
  icmpCode: 14,
  egressAllowedBy: 15,
  ingressAllowedBy: 16,
  egressDeniedBy: 17,
  ingressDeniedBy: 18,
  policyLog: 19,
} as const;

export const shapeWidth = 20;

export const l4Kinds = [undefined, "tcp", "udp", "sctp", "icmp4", "icmp6"] as const;
export type L4Kind = (typeof l4Kinds)[number];

export type Shape = {
  readonly verdict: number;
  readonly dropReason: number;
  readonly type: number;
  readonly eventType: { readonly type: number; readonly subType: number };
  readonly isReply: boolean | undefined;
  readonly direction: number;
  readonly policyMatchType: number;
  readonly observationPoint: number;
  readonly traceReason: number;
  readonly proxyPort: number;
  readonly socketPoint: number;
  readonly l4: L4Kind;
  readonly tcpFlags: TcpFlags | undefined;
  readonly icmpType: number;
  readonly icmpCode: number;
  readonly egressAllowedBy: readonly FlowPolicy[];
  readonly ingressAllowedBy: readonly FlowPolicy[];
  readonly egressDeniedBy: readonly FlowPolicy[];
  readonly ingressDeniedBy: readonly FlowPolicy[];
  readonly policyLog: readonly string[];
};

/** Fills the tuple of a flow. */
export function fillShape(to: Int32Array, flow: Flow, { policies, lists }: Dictionaries): void {
  to[Field.verdict] = flow.verdict;
  to[Field.dropReason] = flow.dropReason;
  to[Field.type] = flow.type;
  to[Field.eventType] = flow.eventType.type;
  to[Field.eventSubType] = flow.eventType.subType;
  to[Field.isReply] = flow.isReply === undefined ? 0 : flow.isReply ? 2 : 1;
  to[Field.direction] = flow.direction;
  to[Field.policyMatchType] = flow.policyMatchType;
  to[Field.observationPoint] = flow.observationPoint + 1;
  to[Field.traceReason] = flow.traceReason;
  to[Field.proxyPort] = flow.proxyPort;
  to[Field.socketPoint] = flow.socketPoint;
  fillL4(to, flow);
  to[Field.egressAllowedBy] = policies.intern(flow.egressAllowedBy);
  to[Field.ingressAllowedBy] = policies.intern(flow.ingressAllowedBy);
  to[Field.egressDeniedBy] = policies.intern(flow.egressDeniedBy);
  to[Field.ingressDeniedBy] = policies.intern(flow.ingressDeniedBy);
  to[Field.policyLog] = lists.intern(flow.policyLog);
}

function fillL4(to: Int32Array, { l4 }: Flow): void {
  to[Field.l4] = l4Kinds.indexOf(l4?.kind);
  to[Field.l4Detail] = 0;
  to[Field.icmpCode] = 0;
  if (l4 === undefined) return;
  if (l4.kind === "tcp") to[Field.l4Detail] = l4.flags === undefined ? 0 : flagBits(l4.flags) + 1;
  if (!("type" in l4)) return;
  to[Field.l4Detail] = l4.type;
  to[Field.icmpCode] = l4.code;
}

/** @param at a field of the tuple. @throws HistoryError corrupt */
export function readShape(at: (field: number) => number, by: StoredDictionaries): Shape {
  const l4Number = at(Field.l4);
  if (l4Number < 0 || l4Number >= l4Kinds.length) throw corrupt(`layer 4 protocol ${l4Number}`);
  const l4 = l4Kinds[l4Number];
  const detail = at(Field.l4Detail);
  const policies = (field: number) => by.policies.get(at(field)) ?? noPolicies;
  return {
    verdict: at(Field.verdict),
    dropReason: at(Field.dropReason),
    type: at(Field.type),
    eventType: { type: at(Field.eventType), subType: at(Field.eventSubType) },
    isReply: at(Field.isReply) === 0 ? undefined : at(Field.isReply) === 2,
    direction: at(Field.direction),
    policyMatchType: at(Field.policyMatchType),
    observationPoint: at(Field.observationPoint) - 1,
    traceReason: at(Field.traceReason),
    proxyPort: at(Field.proxyPort),
    socketPoint: at(Field.socketPoint),
    l4,
    tcpFlags: l4 === "tcp" && detail > 0 ? flagsOf(detail - 1) : undefined,
    icmpType: detail,
    icmpCode: at(Field.icmpCode),
    egressAllowedBy: policies(Field.egressAllowedBy),
    ingressAllowedBy: policies(Field.ingressAllowedBy),
    egressDeniedBy: policies(Field.egressDeniedBy),
    ingressDeniedBy: policies(Field.ingressDeniedBy),
    policyLog: by.lists.get(at(Field.policyLog)) ?? noTexts,
  };
}

const noPolicies: readonly FlowPolicy[] = [];
const noTexts: readonly string[] = [];

/** As in the TCP header: FIN is the lowest bit, NS the highest. */
function flagBits(flags: TcpFlags): number {
  return (
    (flags.fin ? 1 : 0) |
    (flags.syn ? 2 : 0) |
    (flags.rst ? 4 : 0) |
    (flags.psh ? 8 : 0) |
    (flags.ack ? 16 : 0) |
    (flags.urg ? 32 : 0) |
    (flags.ece ? 64 : 0) |
    (flags.cwr ? 128 : 0) |
    (flags.ns ? 256 : 0)
  );
}

function flagsOf(bits: number): TcpFlags {
  return {
    fin: (bits & 1) !== 0,
    syn: (bits & 2) !== 0,
    rst: (bits & 4) !== 0,
    psh: (bits & 8) !== 0,
    ack: (bits & 16) !== 0,
    urg: (bits & 32) !== 0,
    ece: (bits & 64) !== 0,
    cwr: (bits & 128) !== 0,
    ns: (bits & 256) !== 0,
  };
}
