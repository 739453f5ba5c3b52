// Drop and trace events as the programs send them through the ring buffer.
import { decode } from "@tsilium/ebpf";
import { event as eventCodec, direction as directions, eventKind } from "../gen/abi.ts";
import type { DropOrTraceEvent } from "../model.ts";
import { verdictWord } from "../policy/rows.ts";

/**
 * One record of the ring buffer; undefined for a record that is too short or of an unknown kind (a newer program's,
 * during an upgrade).
 */
export function decodeEvent(record: Uint8Array): DropOrTraceEvent | undefined {
  if (record.length < eventCodec.size) return undefined;
  const { header, packet } = decode(eventCodec, record);
  const kind = kindName(header.kind);
  if (kind === undefined) return undefined;
  return {
    kind,
    timestampNs: header.timestampNs,
    code: header.code,
    verdict: kind === "policy-verdict" ? verdictWord(header.code) : undefined,
    rule: header.rule,
    direction: header.direction === directions.egress ? "egress" : "ingress",
    endpointId: header.endpointId,
    sourceIdentity: header.sourceIdentity,
    destinationIdentity: header.destinationIdentity,
    ifindex: header.ifindex,
    packetLength: header.packetLength,
    packet: packet.subarray(0, header.capturedLength),
  };
}

function kindName(kind: number): DropOrTraceEvent["kind"] | undefined {
  if (kind === eventKind.drop) return "drop";
  if (kind === eventKind.trace) return "trace";
  if (kind === eventKind.policyVerdict) return "policy-verdict";
  return undefined;
}
