// Answers that the proxy gives itself: to what policy denies, and to what it cannot read.
import { headerSize, type Query } from "./read-query.ts";

/** Size of UDP answers that our OPT record offers: what needs no fragments anywhere (DNS flag day 2020). */
const offeredSize = 1232;
const optSize = 11;
const recursionAvailable = 0x0080;
/** Opcode, RD and CD of the query are repeated. */
const repeatedFlags = 0x7910;

/** The question repeated byte for byte, with an OPT record if the query had one (RFC 6891, 7). */
export function writeRefusal(query: Query, bytes: Buffer, code: number): Buffer {
  const { questionEnd, edns, ednsFlags, flags } = query;
  const refusal = Buffer.alloc(questionEnd + (edns ? optSize : 0));
  bytes.copy(refusal, 0, 0, questionEnd);
  refusal.writeUInt16BE(0x8000 | (flags & repeatedFlags) | recursionAvailable | code, 2);
  refusal.writeUInt16BE(0, 6);
  refusal.writeUInt16BE(0, 8);
  refusal.writeUInt16BE(edns ? 1 : 0, 10);
  if (edns) {
    refusal.writeUInt16BE(41, questionEnd + 1);
    refusal.writeUInt16BE(offeredSize, questionEnd + 3);
    // Version 0, no extended code; DO is repeated.
    refusal.writeUInt16BE(ednsFlags & 0x8000, questionEnd + 7);
  }
  return refusal;
}

/** To what has a header and nothing else that could be repeated. */
export function writeBareRefusal(bytes: Buffer, code: number): Buffer {
  const refusal = Buffer.alloc(headerSize);
  bytes.copy(refusal, 0, 0, 4);
  refusal.writeUInt16BE(0x8000 | (refusal.readUInt16BE(2) & repeatedFlags) | code, 2);
  return refusal;
}
