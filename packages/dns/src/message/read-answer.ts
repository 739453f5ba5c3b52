// What a server answered: whether it is the answer to our question, and which addresses it says the name has.
import { Address } from "@tsilium/net";
import { rcode, type, typeName } from "./names.ts";
import type { NameReader } from "./read-name.ts";
import { headerSize } from "./read-query.ts";

const classInternet = 1;
/** Longest chain of aliases that is followed; resolvers give up about there too. */
const maxAliases = 16;
/** A week, as resolvers have it: a server cannot make an address a name's for ever. */
export const maxTtlS = 604_800;

export type Question = { readonly name: string; readonly type: number };

export type Answer = {
  readonly rcode: number;
  readonly truncated: boolean;
  /** Nothing is learnt from it: records that do not parse. */
  readonly malformed: boolean;
  /** CNAMEs from the name asked on, in order. */
  readonly aliases: readonly string[];
  /** Of the type asked, of the end of that chain alone. The TTL is the least along the chain. */
  readonly addresses: readonly { readonly address: string; readonly ttlS: number }[];
  /** Types that are among the answers, each once. */
  readonly types: readonly string[];
};

const nothing = { malformed: false, aliases: [], addresses: [], types: [] } as const;

/**
 * Reads an answer with the id expected. Undefined: not an answer to this question; whoever sent it, the real one may be
 * on its way.
 */
export function readAnswer(
  bytes: Buffer,
  end: number,
  question: Question,
  names: NameReader,
): Answer | undefined {
  if (end < headerSize) return undefined;
  const flags = word(bytes, 2);
  // A response to a plain query.
  if ((flags & 0xf800) !== 0x8000) return undefined;
  const truncated = (flags & 0x0200) !== 0;
  const code = flags & 0xf;
  const base = { rcode: code, truncated, ...nothing };
  const questions = word(bytes, 4);
  // Servers that could not read the question do not repeat it. There is nothing in such an answer.
  if (questions === 0) return code !== rcode.noError && word(bytes, 6) === 0 ? base : undefined;
  if (questions !== 1) return undefined;
  const nameEnd = names.read(bytes, headerSize, end, false);
  if (nameEnd < 0 || nameEnd + 4 > end || names.name !== question.name) return undefined;
  if (word(bytes, nameEnd) !== question.type || word(bytes, nameEnd + 2) !== classInternet)
    return undefined;
  const count = word(bytes, 6);
  if (count === 0) return base;
  const records = new AnswerRecords(question);
  const malformed = !records.read(bytes, nameEnd + 4, { end, count, names });
  const types = [...records.types].map(typeName);
  if (malformed) return { ...base, malformed, types };
  // Negative answers say nothing of addresses. Those that are cut may be all that a client takes: musl's resolver did not
  // ask again over TCP before 1.2.4.
  if (code !== rcode.noError) return { ...base, types };
  return { ...base, types, ...records.follow() };
}

type Place = { readonly end: number; readonly count: number; readonly names: NameReader };

/** The answer section: aliases and addresses by owner. */
class AnswerRecords {
  readonly types = new Set<number>();
  readonly #question: Question;
  /** Of the record being read. */
  #owner = "";
  readonly #aliases = new Map<string, { readonly target: string; readonly ttlS: number }>();
  readonly #addresses = new Map<string, { readonly address: string; readonly ttlS: number }[]>();

  constructor(question: Question) {
    this.#question = question;
  }

  /** False: does not parse. */
  read(bytes: Buffer, from: number, { end, count, names }: Place): boolean {
    let at = from;
    for (let index = 0; index < count; index++) {
      at = this.#readOwner(bytes, at, end, names);
      if (at < 0 || at + 10 > end) return false;
      const recordType = word(bytes, at);
      const recordClass = word(bytes, at + 2);
      const ttlS = readTtl(bytes, at + 4);
      const length = word(bytes, at + 8);
      const data = at + 10;
      at = data + length;
      if (at > end) return false;
      this.types.add(recordType);
      if (recordClass !== classInternet) continue;
      const owner = this.#owner;
      const isAddress = this.#wants(recordType);
      if (!isAddress && recordType !== type.CNAME) continue;
      if (isAddress) {
        if (length !== (recordType === type.A ? 4 : 16)) return false;
        this.#addAddress(owner, bytes.subarray(data, at), ttlS);
      } else {
        if (names.read(bytes, data, end, true) !== at) return false;
        if (!this.#aliases.has(owner)) this.#aliases.set(owner, { target: names.name, ttlS });
      }
    }
    return true;
  }

  /** Along the aliases from the name asked, to the addresses of the last. */
  follow(): Pick<Answer, "aliases" | "addresses"> {
    const aliases: string[] = [];
    let { name } = this.#question;
    let leastTtlS = maxTtlS;
    for (let alias = this.#aliases.get(name); alias; alias = this.#aliases.get(name)) {
      // A chain without an end has no addresses; a loop is one.
      if (aliases.length === maxAliases) return { aliases, addresses: [] };
      name = alias.target;
      leastTtlS = Math.min(leastTtlS, alias.ttlS);
      aliases.push(name);
    }
    const addresses = (this.#addresses.get(name) ?? []).map(({ address, ttlS }) => ({
      address,
      ttlS: Math.min(ttlS, leastTtlS),
    }));
    return { aliases, addresses };
  }

  #wants(recordType: number): boolean {
    if (recordType !== type.A && recordType !== type.AAAA) return false;
    return this.#question.type === recordType || this.#question.type === type.ANY;
  }

  /** Where the owner's name ends, or -1. Nearly all are the question's, by a pointer to it. */
  #readOwner(bytes: Buffer, at: number, end: number, names: NameReader): number {
    if (at + 2 <= end && bytes[at] === 0xc0 && bytes[at + 1] === headerSize) {
      this.#owner = this.#question.name;
      return at + 2;
    }
    const next = names.read(bytes, at, end, true);
    this.#owner = names.name;
    return next;
  }

  #addAddress(owner: string, data: Buffer, ttlS: number): void {
    // ::ffff:0:0/96 is how sockets write IPv4; on the wire it is no address of anybody.
    if (
      data.length === 16 &&
      data.readUInt32BE(8) === 0xffff &&
      data.subarray(0, 8).every((byte) => byte === 0)
    )
      return;
    const list = this.#addresses.get(owner);
    const entry = { address: addressText(data), ttlS };
    if (list) list.push(entry);
    else this.#addresses.set(owner, [entry]);
  }
}

/** 4 or 16 bytes. */
export function addressText(bytes: Buffer): string {
  if (bytes.length === 4) return `${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}`;
  return Address.fromBytes(bytes).toString();
}

/** RFC 2181, 8: with the highest bit it is 0. */
function readTtl(bytes: Buffer, at: number): number {
  const high = word(bytes, at);
  return high >= 0x8000 ? 0 : Math.min(high * 65_536 + word(bytes, at + 2), maxTtlS);
}

function word(bytes: Buffer, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
}
