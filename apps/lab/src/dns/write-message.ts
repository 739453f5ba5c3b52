// Answers as bytes.
import {
  type Answer,
  type DnsRecord,
  headerSize,
  type Query,
  type Rcode,
  types,
} from "./message.ts";
import { longestLabel, type Name, sameName } from "./name.ts";

const classIn = 1;
/** What we offer, and the most we send: fits an IPv6 path's least MTU (DNS flag day 2020). */
const ourUdpSize = 1232;
const negativeTtl = 5;

/** An answer's bytes; one that is larger than `limit` is cut to nothing but its question, and says so (TC). */
export function encodeAnswer(query: Query, answer: Answer, limit: number): Uint8Array {
  const whole = encode(query, answer, false);
  if (whole.length <= limit) return whole;
  return encode(query, { ...answer, answers: [], authority: [], additional: [] }, true);
}

/** The largest UDP answer to a query. */
export function udpLimit({ udpSize }: Query): number {
  return Math.min(udpSize, ourUdpSize);
}

/** An answer to what could not be read. */
export function encodeError(id: number, rcode: Rcode): Uint8Array {
  const bytes = new Uint8Array(headerSize);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, id);
  view.setUint16(2, 0x8000 | rcode);
  return bytes;
}

function encode(query: Query, answer: Answer, truncated: boolean): Uint8Array {
  const out = new Writer();
  const flags =
    0x8000 |
    (answer.authoritative ? 0x0400 : 0) |
    (truncated ? 0x0200 : 0) |
    (query.recursionDesired ? 0x0100 : 0) |
    0x0080 |
    answer.rcode;
  out.u16(query.id).u16(flags).u16(1);
  out.u16(answer.answers.length).u16(answer.authority.length);
  out.u16(answer.additional.length + (query.edns ? 1 : 0));
  out.bytes(query.questionBytes);
  for (const section of [answer.answers, answer.authority, answer.additional])
    for (const record of section) writeRecord(out, record, query.question.name);
  if (query.edns) out.u8(0).u16(types.OPT).u16(ourUdpSize).u32(0).u16(0);
  return out.done();
}

function writeRecord(out: Writer, record: DnsRecord, asked: Name): void {
  // The name that was asked for stands right behind the header: the one pointer worth its while.
  if (sameName(record.name, asked)) out.u16(0xc000 | headerSize);
  else writeName(out, record.name);
  out.u16(types[record.type]).u16(classIn).u32(record.ttl);
  const data = new Writer();
  writeData(data, record);
  const bytes = data.done();
  out.u16(bytes.length).bytes(bytes);
}

function writeData(out: Writer, record: DnsRecord): void {
  switch (record.type) {
    case "A":
    case "AAAA":
      out.bytes(record.address);
      return;
    case "CNAME":
    case "PTR":
    case "NS":
      writeName(out, record.target);
      return;
    case "SRV":
      out.u16(record.priority).u16(record.weight).u16(record.port);
      writeName(out, record.target);
      return;
    case "TXT":
      for (const text of record.texts) {
        const bytes = Buffer.from(text).subarray(0, 255);
        out.u8(bytes.length).bytes(bytes);
      }
      return;
    case "SOA":
      writeName(out, record.primary);
      writeName(out, record.mailbox);
      out.u32(record.serial).u32(7200).u32(1800).u32(86400).u32(negativeTtl);
  }
}

function writeName(out: Writer, name: Name): void {
  for (const label of name) {
    const bytes = Buffer.from(label, "latin1").subarray(0, longestLabel);
    out.u8(bytes.length).bytes(bytes);
  }
  out.u8(0);
}

/** Growing bytes, big-endian. */
class Writer {
  #buffer = Buffer.alloc(512);
  #length = 0;

  u8(value: number): this {
    this.#room(1);
    this.#length = this.#buffer.writeUInt8(value, this.#length);
    return this;
  }

  u16(value: number): this {
    this.#room(2);
    this.#length = this.#buffer.writeUInt16BE(value, this.#length);
    return this;
  }

  u32(value: number): this {
    this.#room(4);
    this.#length = this.#buffer.writeUInt32BE(value >>> 0, this.#length);
    return this;
  }

  bytes(value: Uint8Array): this {
    this.#room(value.length);
    this.#buffer.set(value, this.#length);
    this.#length += value.length;
    return this;
  }

  done(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  #room(more: number): void {
    if (this.#length + more <= this.#buffer.length) return;
    this.#buffer = Buffer.concat([this.#buffer], (this.#length + more) * 2);
  }
}
