// What a DNS server answers to a query: from its own zones, or from somebody else. The frame around both
// servers of a lab, the cluster's and the world's.
import { type Answer, type Query, rcodes } from "./message.ts";
import { parseQuery } from "./read-message.ts";
import { encodeAnswer, encodeError, udpLimit } from "./write-message.ts";

export type Transport = "udp" | "tcp";

export type Source = {
  /** The answer, if the query's name is ours; undefined for other people's names. */
  answer(query: Query): Answer | undefined;
  /** Asks somebody else, with the client's own bytes; undefined when nobody answers. */
  forward(bytes: Uint8Array, transport: Transport): Promise<Uint8Array | undefined>;
};

const classIn = 1;
const classAny = 255;
const largestTcp = 65535;

/** The bytes to send back; undefined for what deserves none. Never rejects for bad bytes. */
export async function respond(
  bytes: Uint8Array,
  transport: Transport,
  source: Source,
): Promise<Uint8Array | undefined> {
  const parsed = parseQuery(bytes);
  if (parsed.kind === "ignore") return undefined;
  if (parsed.kind === "error") return encodeError(parsed.id, parsed.rcode);
  const { query } = parsed;
  const limit = transport === "tcp" ? largestTcp : udpLimit(query);
  const failed = (rcode: Answer["rcode"]) => encodeAnswer(query, emptyAnswer(rcode), limit);
  if (query.question.class !== classIn && query.question.class !== classAny)
    return failed(rcodes.refused);
  const own = source.answer(query);
  if (own) return encodeAnswer(query, own, limit);
  return (await source.forward(bytes, transport)) ?? failed(rcodes.serverFailure);
}

/** An answer without records. */
export function emptyAnswer(rcode: Answer["rcode"]): Answer {
  return { rcode, authoritative: false, answers: [], authority: [], additional: [] };
}
