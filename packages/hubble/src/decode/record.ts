// A record of the kernel, read where it lies: the fields of its header that flows are made of.
import { headerLayout, packetEventLayout, socketEventLayout } from "@tsilium/datapath";

/** Where records lie (RingMemory of @tsilium/ebpf). */
export type RecordMemory = { readonly bytes: Uint8Array; readonly view: DataView };

/** Copied out of the layout: constants that the compiler can see. */
const timestampAt = headerLayout.timestampNs;
const ifindexAt = headerLayout.ifindex;
const sourceIdentityAt = headerLayout.sourceIdentity;
const destinationIdentityAt = headerLayout.destinationIdentity;
const ruleAt = headerLayout.rule;
const frontendAt = headerLayout.frontend;
const endpointIdAt = headerLayout.endpointId;
const capturedLengthAt = headerLayout.capturedLength;
const kindAt = headerLayout.kind;
const codeAt = headerLayout.code;
const directionAt = headerLayout.direction;
const replyAt = headerLayout.reply;
const reasonAt = headerLayout.reason;
const proxyPortAt = headerLayout.proxyPort;
/** PROXY_CONNECTED of bpf/lib/proxy.h: an answer to a connection that a proxy made itself. */
const connectedByProxy = 1;
const packetAt = packetEventLayout.packet;
const packetEventSize = packetEventLayout.size;
const headerSize = packetAt;

/** What a header says; filled anew for each record. Names as in struct event_header. */
export class RecordHeader {
  timestampNs = 0n;
  ifindex = 0;
  sourceIdentity = 0;
  destinationIdentity = 0;
  rule = 0;
  frontend = 0;
  endpointId = 0;
  kind = 0;
  code = 0;
  direction = 0;
  isReply = false;
  reason = 0;
  /** Listener that gets the packet; 0: none. */
  proxyPort = 0;

  /** False for a record that is too short to have one. */
  read(view: DataView, at: number, length: number): boolean {
    if (length < headerSize) return false;
    this.timestampNs = view.getBigUint64(at + timestampAt, true);
    this.ifindex = view.getUint32(at + ifindexAt, true);
    this.sourceIdentity = view.getUint32(at + sourceIdentityAt, true);
    this.destinationIdentity = view.getUint32(at + destinationIdentityAt, true);
    this.rule = view.getUint32(at + ruleAt, true);
    this.frontend = view.getUint32(at + frontendAt, true);
    this.endpointId = view.getUint16(at + endpointIdAt, true);
    this.kind = view.getUint8(at + kindAt);
    this.code = view.getUint8(at + codeAt);
    this.direction = view.getUint8(at + directionAt);
    this.isReply = view.getUint8(at + replyAt) !== 0;
    this.reason = view.getUint8(at + reasonAt);
    const proxyPort = view.getUint16(at + proxyPortAt, true);
    this.proxyPort = proxyPort === connectedByProxy ? 0 : proxyPort;
    return true;
  }
}

/** Whether a record of a packet is whole. */
export function isPacketRecord(length: number): boolean {
  return length >= packetEventSize;
}

/** Where a record's packet begins. */
export function packetStart(at: number): number {
  return at + packetAt;
}

/** Where its captured bytes end, whatever the record claims. */
export function packetEnd(view: DataView, at: number): number {
  const captured = view.getUint16(at + capturedLengthAt, true);
  return at + Math.min(packetAt + captured, packetEventSize);
}

export { socketEventLayout };
