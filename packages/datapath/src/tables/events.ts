// Events as the programs send them through the ring buffers, one by one in user space's terms.
import { decode } from "@tsilium/ebpf";
import {
  direction as directions,
  event as eventCodec,
  eventHeader,
  eventKind,
  socketEvent as socketEventCodec,
  translationPoint,
  type EventHeader,
} from "../gen/abi.ts";
import type { DatapathEvent, PacketEvent, TranslationEvent } from "../model.ts";
import { verdictWord } from "../policy/rows.ts";
import { fromMappedBytes } from "./address-key.ts";

/**
 * One record of a ring buffer; undefined for a record that is too short or of an unknown kind (a newer program's,
 * during an upgrade).
 */
export function decodeEvent(record: Uint8Array): DatapathEvent | undefined {
  if (record.length < eventHeader.size) return undefined;
  const header = decode(eventHeader, record);
  switch (header.kind) {
    case eventKind.drop:
      return packetEvent("drop", header, record);
    case eventKind.trace:
      return packetEvent("trace", header, record);
    case eventKind.policyVerdict:
      return packetEvent("policy-verdict", header, record);
    case eventKind.translation:
      return translationEvent(header, record);
    default:
      return undefined;
  }
}

function packetEvent(
  kind: PacketEvent["kind"],
  header: EventHeader,
  record: Uint8Array,
): PacketEvent | undefined {
  if (record.length < eventCodec.size) return undefined;
  const { packet } = decode(eventCodec, record);
  return {
    kind,
    timestampNs: header.timestampNs,
    cpu: header.cpu,
    code: header.code,
    verdict: kind === "policy-verdict" ? verdictWord(header.code) : undefined,
    rule: header.rule,
    frontend: header.frontend,
    direction: header.direction === directions.egress ? "egress" : "ingress",
    isReply: header.reply !== 0,
    traceReason: header.reason,
    endpointId: header.endpointId,
    sourceIdentity: header.sourceIdentity,
    destinationIdentity: header.destinationIdentity,
    ifindex: header.ifindex,
    packetLength: header.packetLength,
    packet: packet.subarray(0, header.capturedLength),
  };
}

function translationEvent(header: EventHeader, record: Uint8Array): TranslationEvent | undefined {
  if (record.length < socketEventCodec.size) return undefined;
  const event = decode(socketEventCodec, record);
  const address = fromMappedBytes(event.frontendAddress);
  const backend = fromMappedBytes(event.backendAddress);
  if (address === undefined) return undefined;
  return {
    kind: "translation",
    timestampNs: header.timestampNs,
    cpu: header.cpu,
    isRefused: header.code === translationPoint.refused,
    frontend: header.frontend,
    protocol: event.protocol,
    address,
    port: event.frontendPort,
    backend: backend && { address: backend, port: event.backendPort },
    socketCookie: event.socketCookie,
    cgroupId: event.cgroupId,
    netnsCookie: event.netnsCookie,
  };
}
