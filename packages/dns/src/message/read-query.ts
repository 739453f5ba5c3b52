// What a client sent, judged strictly: the server must not be able to read another question in it than we do.
import { type } from "./names.ts";
import type { NameReader } from "./read-name.ts";

export const headerSize = 12;
const classInternet = 1;

export type Query = {
  readonly id: number;
  /** The header's second 16 bits. */
  readonly flags: number;
  /** Lower case, without the final dot. */
  readonly name: string;
  readonly type: number;
  /** Where the question ends; it begins after the header. */
  readonly questionEnd: number;
  /** Whether it has an OPT record (RFC 6891), and that record's flags. */
  readonly edns: boolean;
  readonly ednsFlags: number;
};

/**
 * Why it is no query to forward. "ignored": nothing to answer to (too short, a response); "malformed": FORMERR; "refused":
 * well-formed, but not a plain question (another opcode or class, a zone transfer).
 */
export type QueryProblem = "ignored" | "malformed" | "refused";

/** Reads a query: `bytes` up to `end` is all of it. */
export function readQuery(bytes: Buffer, end: number, names: NameReader): Query | QueryProblem {
  if (end < headerSize) return "ignored";
  const flags = word(bytes, 2);
  if ((flags & 0x8000) !== 0) return "ignored";
  if ((flags & 0x7800) !== 0) return "refused";
  // One question, no answers, no authority; TC is of answers.
  if (word(bytes, 4) !== 1 || word(bytes, 6) !== 0 || (flags & 0x0200) !== 0) return "malformed";
  const nameEnd = names.read(bytes, headerSize, end, false);
  if (nameEnd < 0 || nameEnd + 4 > end) return "malformed";
  const { name } = names;
  const queryType = word(bytes, nameEnd);
  const queryClass = word(bytes, nameEnd + 2);
  // Before authority is looked at: IXFR has some (RFC 1995).
  if (queryClass !== classInternet || queryType === type.IXFR || queryType === type.AXFR)
    return "refused";
  if (word(bytes, 8) !== 0) return "malformed";
  const edns = readAdditional(bytes, nameEnd + 4, end);
  if (edns === undefined) return "malformed";
  return {
    id: word(bytes, 0),
    flags,
    name,
    type: queryType,
    questionEnd: nameEnd + 4,
    edns: edns >= 0,
    ednsFlags: Math.max(edns, 0),
  };
}

/** OPT's flags, -1 without one; undefined: not what a query has. OPT comes once, signatures are let be, nothing follows. */
function readAdditional(bytes: Buffer, from: number, end: number): number | undefined {
  let at = from;
  let edns = -1;
  const count = word(bytes, 10);
  if (count > 3) return undefined;
  for (let index = 0; index < count; index++) {
    const isRoot = bytes[at] === 0;
    at = skipPlainName(bytes, at, end);
    if (at < 0 || at + 10 > end) return undefined;
    const recordType = word(bytes, at);
    const next = at + 10 + word(bytes, at + 8);
    if (next > end) return undefined;
    if (recordType === type.OPT) {
      if (!isRoot || edns >= 0) return undefined;
      edns = word(bytes, at + 6);
    } else if (recordType !== type.TSIG && recordType !== type.SIG) return undefined;
    at = next;
  }
  return at === end ? edns : undefined;
}

/** The owner of a signature: written out, since what it could point to is only the question. */
function skipPlainName(bytes: Buffer, at: number, end: number): number {
  for (let length = 1; at < end;) {
    const size = bytes[at] as number;
    if (size === 0) return at + 1;
    length += size + 1;
    if (size > 63 || length > 255) return -1;
    at += 1 + size;
  }
  return -1;
}

function word(bytes: Buffer, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
}
