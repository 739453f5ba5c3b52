// Queries, read from untrusted bytes. Never throws: what is no query is refused by kind.
import { headerSize, type Parsed, rcodes, types } from "./message.ts";
import { longestLabel, longestName } from "./name.ts";

const plainUdpSize = 512;

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
