// DNS messages (RFC 1035 section 4, EDNS RFC 6891): queries read from untrusted bytes, answers written.
// Pure. Reading never throws: what is no query is refused in words.

export const types = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  OPT: 41,
  ANY: 255,
} as const;

export const rcodes = {
  ok: 0,
  formatError: 1,
  serverFailure: 2,
  noSuchName: 3,
  notImplemented: 4,
  refused: 5,
} as const;
export type Rcode = (typeof rcodes)[keyof typeof rcodes];

/** A name as its labels, lower-case; the root is empty. Labels are Latin-1: a byte is a character. */
export type Name = readonly string[];

export type Question = { readonly name: Name; readonly type: number; readonly class: number };

export type Query = {
  readonly id: number;
  readonly recursionDesired: boolean;
  readonly question: Question;
  /** The question as it came, letter case included: it goes back like that (RFC 1035 7.3, 0x20). */
  readonly questionBytes: Uint8Array;
  /** Largest UDP answer the client takes; 512 without EDNS. */
  readonly udpSize: number;
  readonly edns: boolean;
};

export type Parsed =
  | { readonly kind: "query"; readonly query: Query }
  /** Answered with an error: it has an ID at least. */
  | { readonly kind: "error"; readonly id: number; readonly rcode: Rcode }
  /** No query at all, or an answer: nothing is said to that, or two servers could talk for ever. */
  | { readonly kind: "ignore" };

export type DnsRecord = { readonly name: Name; readonly ttl: number } & (
  | { readonly type: "A" | "AAAA"; readonly address: Uint8Array }
  | { readonly type: "CNAME" | "PTR" | "NS"; readonly target: Name }
  | {
      readonly type: "SRV";
      readonly priority: number;
      readonly weight: number;
      readonly port: number;
      readonly target: Name;
    }
  | { readonly type: "TXT"; readonly texts: readonly string[] }
  | {
      readonly type: "SOA";
      readonly primary: Name;
      readonly mailbox: Name;
      readonly serial: number;
    }
);

export type Answer = {
  readonly rcode: Rcode;
  readonly authoritative: boolean;
  readonly answers: readonly DnsRecord[];
  readonly authority: readonly DnsRecord[];
  readonly additional: readonly DnsRecord[];
};

const headerSize = 12;
const longestName = 255;
const longestLabel = 63;
const classIn = 1;
const plainUdpSize = 512;
/** What we offer, and the most we send: fits an IPv6 path's least MTU (DNS flag day 2020). */
const ourUdpSize = 1232;
const negativeTtl = 5;

/** Reads a query. */
export function parseQuery(bytes: Uint8Array): Parsed {
  if (bytes.length < headerSize) return { kind: "ignore" };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [id, flags] = [view.getUint16(0), view.getUint16(2)];
  const isResponse = (flags & 0x8000) !== 0;
  if (isResponse) return { kind: "ignore" };
  if (((flags >> 11) & 0xf) !== 0) return { kind: "error", id, rcode: rcodes.notImplemented };
  const formatError = { kind: "error", id, rcode: rcodes.formatError } as const;
  if (view.getUint16(4) !== 1 || view.getUint16(6) !== 0) return formatError;
  const name = readName(bytes, headerSize);
  if (!name || name.end + 4 > bytes.length) return formatError;
  const end = name.end + 4;
  const records = view.getUint16(8) + view.getUint16(10);
  const edns = readEdns(bytes, end, records);
  if (edns === "malformed") return formatError;
  return {
    kind: "query",
    query: {
      id,
      recursionDesired: (flags & 0x0100) !== 0,
      question: {
        name: name.labels,
        type: view.getUint16(name.end),
        class: view.getUint16(name.end + 2),
      },
      questionBytes: bytes.slice(headerSize, end),
      udpSize: edns === undefined ? plainUdpSize : Math.max(plainUdpSize, edns),
      edns: edns !== undefined,
    },
  };
}

/** Labels from `at` on. A question's name is written out: pointers in it are malformed. */
function readName(bytes: Uint8Array, at: number): { labels: string[]; end: number } | undefined {
  const labels: string[] = [];
  let total = 0;
  for (let offset = at; ;) {
    const length = bytes[offset];
    if (length === undefined || length > longestLabel) return undefined;
    offset++;
    if (length === 0) return { labels, end: offset };
    total += length + 1;
    if (total > longestName - 1 || offset + length > bytes.length) return undefined;
    labels.push(
      Buffer.from(bytes.subarray(offset, offset + length))
        .toString("latin1")
        .toLowerCase(),
    );
    offset += length;
  }
}

/** The UDP size of an OPT record; undefined without one. */
function readEdns(
  bytes: Uint8Array,
  from: number,
  records: number,
): number | "malformed" | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let size: number | undefined;
  for (let record = 0, at = from; record < records; record++) {
    const end = skipName(bytes, at);
    if (end === undefined || end + 10 > bytes.length) return "malformed";
    if (view.getUint16(end) === types.OPT) size = view.getUint16(end + 2);
    at = end + 10 + view.getUint16(end + 8);
    if (at > bytes.length) return "malformed";
  }
  return size;
}

/** Where a name ends; it may end in a pointer, which is not followed. */
function skipName(bytes: Uint8Array, at: number): number | undefined {
  for (let offset = at; ;) {
    const length = bytes[offset];
    if (length === undefined) return undefined;
    if (length >= 0xc0) return offset + 2 <= bytes.length ? offset + 2 : undefined;
    if (length > longestLabel) return undefined;
    offset += length + 1;
    if (length === 0) return offset;
  }
}

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

/** "Web.Default.SVC." -> labels. */
export function parseName(text: string): Name {
  return text.toLowerCase().replace(/\.$/, "").split(".").filter(Boolean);
}

export function nameText(name: Name): string {
  return `${name.join(".")}.`;
}

export function sameName(a: Name, b: Name): boolean {
  return a.length === b.length && a.every((label, at) => label === b[at]);
}

/** What stands before a zone's labels; undefined for a name outside of the zone. */
export function withinZone(name: Name, zone: Name): Name | undefined {
  const at = name.length - zone.length;
  return at >= 0 && sameName(name.slice(at), zone) ? name.slice(0, at) : undefined;
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
