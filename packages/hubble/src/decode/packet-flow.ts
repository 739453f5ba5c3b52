// Drops, traces and verdicts of policy as flows. What Cilium's fields mean, and where this differs, is in
// docs/hubble-flows.md.
import { eventDirection, eventKind, policyVerdict } from "@tsilium/datapath";
import type { Enricher, KnownAddress, RulePolicies } from "../enrich/index.ts";
import {
  EventType,
  type Flow,
  type FlowEndpoint,
  type FlowService,
  FlowType,
  TraceReason,
  TrafficDirection,
  unknownEndpoint,
  Verdict,
} from "../model.ts";
import type { BootClock } from "./clock.ts";
import { MacTexts } from "./mac-text.ts";
import type { PacketReader } from "./packet.ts";
import type { RecordHeader } from "./record.ts";
import { layer4, summaryOf } from "./transport.ts";

const { ingress, egress } = eventDirection;
const none: readonly never[] = Object.freeze([]);
/** Drop reasons that a rule, or the lack of one, causes. */
const deniedByPolicy = 133;
const deniedByRule = 181;

/** Who a flow is between, and as what. */
type Ends = {
  readonly source: FlowEndpoint;
  readonly destination: FlowEndpoint;
  /** Text of the address that the source had before it was masqueraded; "": it was not. */
  readonly original: string;
};

export class PacketFlows {
  readonly #enricher: Enricher;
  readonly #clock: BootClock;
  readonly #macs = new MacTexts();

  constructor(enricher: Enricher, clock: BootClock) {
    this.#enricher = enricher;
    this.#clock = clock;
  }

  /** @param rule what decided; undefined: nothing, or nothing that this event tells of */
  of(header: RecordHeader, packet: PacketReader, rule: RulePolicies | undefined): Flow {
    const source = this.#sourceOf(packet);
    const destination = this.#destinationOf(packet);
    const { source: from, destination: to, original } = this.#ends(header, source, destination);
    const l4 = layer4(packet);
    const isTrace = header.kind === eventKind.trace;
    const isDrop = header.kind === eventKind.drop;
    const isVerdict = !isTrace && !isDrop;
    const matchType = isVerdict && rule ? rule.matchType : 0;
    const policies = rule ? rule.policies : none;
    const isEgress = header.direction === egress;
    const isDenied = isDrop || header.code === policyVerdict.audit;
    return {
      sequence: 0,
      timeNs: this.#clock.unixNs(header.timestampNs),
      uuid: "",
      verdict: isDrop ? Verdict.dropped : isTrace ? Verdict.forwarded : verdictOf(header.code),
      dropReason: isDrop ? header.code : 0,
      ethernet: packet.hasEthernet
        ? {
            source: this.#macs.of(packet.sourceMac),
            destination: this.#macs.of(packet.destinationMac),
          }
        : undefined,
      ip:
        source && destination
          ? {
              source: original === "" ? source.text : original,
              sourceXlated: original === "" ? "" : source.text,
              destination: destination.text,
              version: source.family === 4 ? 1 : 2,
              encrypted: false,
            }
          : undefined,
      l4,
      source: from,
      destination: to,
      type: FlowType.l3l4,
      nodeName: this.#enricher.nodeName,
      nodeLabels: this.#enricher.nodeLabels,
      sourceNames: source ? this.#enricher.names.of(to.id, source.text) : none,
      destinationNames: destination ? this.#enricher.names.of(from.id, destination.text) : none,
      l7: undefined,
      isReply: isTrace ? isReply(header.reason) : isVerdict ? false : undefined,
      eventType: {
        type: isDrop ? EventType.drop : isTrace ? EventType.trace : EventType.policyVerdict,
        subType: isVerdict ? matchType : header.code,
      },
      sourceService: this.#service(header, packet, source, true),
      destinationService: this.#service(header, packet, destination, false),
      direction: isTrace ? traceDirection(header, from) : directionOf(header.direction),
      policyMatchType: matchType,
      observationPoint: isTrace ? header.code : -1,
      traceReason: isTrace ? header.reason : 0,
      interface: this.#enricher.interface(header.ifindex),
      proxyPort: header.proxyPort,
      socketPoint: 0,
      socketCookie: 0n,
      cgroupId: 0n,
      summary: summaryOf(packet),
      egressAllowedBy: isEgress && !isDenied ? policies : none,
      ingressAllowedBy: isEgress || isDenied ? none : policies,
      egressDeniedBy: isEgress && isDenied ? policies : none,
      ingressDeniedBy: isEgress || !isDenied ? none : policies,
      policyLog: rule ? rule.log : none,
    };
  }

  #sourceOf(packet: PacketReader): KnownAddress | undefined {
    if (packet.family === 4) return this.#enricher.ipv4(packet.source3);
    if (packet.family === 0) return undefined;
    const { source0, source1, source2, source3 } = packet;
    return this.#enricher.ipv6(source0, source1, source2, source3);
  }

  #destinationOf(packet: PacketReader): KnownAddress | undefined {
    if (packet.family === 4) return this.#enricher.ipv4(packet.destination3);
    if (packet.family === 0) return undefined;
    const { destination0, destination1, destination2, destination3 } = packet;
    return this.#enricher.ipv6(destination0, destination1, destination2, destination3);
  }

  /**
   * By addresses; but the pod that an event is about is one end also where the packet bears another address than the
   * pod's: a service's, the node's, or a forged one.
   */
  #ends(
    header: RecordHeader,
    source: KnownAddress | undefined,
    destination: KnownAddress | undefined,
  ): Ends {
    const { sourceIdentity, destinationIdentity, endpointId } = header;
    const enricher = this.#enricher;
    const from = source ? enricher.endpointAt(source, sourceIdentity) : unknownEndpoint;
    const to = destination
      ? enricher.endpointAt(destination, destinationIdentity)
      : unknownEndpoint;
    const pod =
      from.id === endpointId || to.id === endpointId ? undefined : enricher.pod(endpointId);
    if (!pod) return { source: from, destination: to, original: "" };
    if (header.direction !== egress)
      return {
        source: from,
        destination: enricher.podEndpoint(pod, destinationIdentity),
        original: "",
      };
    const own = source?.family === 6 ? pod.item.ipv6 : pod.item.ipv4;
    const isMasqueraded =
      header.kind === eventKind.trace &&
      source !== undefined &&
      !header.isReply &&
      own !== undefined;
    return {
      source: enricher.podEndpoint(pod, sourceIdentity),
      destination: to,
      original: isMasqueraded ? own : "",
    };
  }

  /** The frontend that the kernel knows of is the one that was asked: the far end of what asks, the near end of a reply. */
  #service(
    { frontend, isReply }: RecordHeader,
    packet: PacketReader,
    address: KnownAddress | undefined,
    isSource: boolean,
  ): FlowService | undefined {
    const port = isSource ? packet.sourcePort : packet.destinationPort;
    const byAddress =
      address && port !== 0 ? this.#enricher.serviceAt(address, port, packet.protocol) : undefined;
    if (byAddress || frontend === 0 || isReply !== isSource) return byAddress;
    return this.#enricher.serviceOf(frontend);
  }
}

/** Whether an event names rules that allowed or denied: others carry a rule that has no part in them. */
export function hasCause({ kind, code, rule }: RecordHeader): boolean {
  if (rule === 0) return false;
  if (kind === eventKind.drop) return code === deniedByPolicy || code === deniedByRule;
  return kind === eventKind.policyVerdict;
}

function verdictOf(code: number): number {
  if (code === policyVerdict.audit) return Verdict.audit;
  if (code === policyVerdict.redirect) return Verdict.redirected;
  return code === policyVerdict.allow ? Verdict.forwarded : Verdict.dropped;
}

/** As Cilium: of packets whose connection is not known, nothing is. */
function isReply(reason: number): boolean | undefined {
  return reason === TraceReason.unknown ? undefined : reason === TraceReason.reply;
}

/** Numbers are the same. */
function directionOf(direction: number): number {
  return direction === ingress || direction === egress ? direction : TrafficDirection.unknown;
}

/** Of the connection, as the pod that the event is about has it: what it opened is egress, replies to that too. */
function traceDirection({ endpointId, reason }: RecordHeader, source: FlowEndpoint): number {
  if (endpointId === 0 || reason === TraceReason.unknown) return TrafficDirection.unknown;
  const isSource = source.id === endpointId;
  return isSource !== (reason === TraceReason.reply)
    ? TrafficDirection.egress
    : TrafficDirection.ingress;
}
