// Queries and answers as Hubble tells of them.
import type { Layer7 } from "@tsilium/hubble/model.ts";
import type { Answer } from "./message/read-answer.ts";
import { typeName } from "./message/names.ts";

type DnsLayer7 = Extract<Layer7, { kind: "dns" }>;

export function requestLayer7(name: string, type: number): DnsLayer7 {
  return {
    type: 1,
    latencyNs: 0,
    kind: "dns",
    query: `${name}.`,
    ips: [],
    ttl: 0,
    cnames: [],
    observationSource: "proxy",
    rcode: 0,
    qtypes: [typeName(type)],
    rrtypes: [],
  };
}

/** A flow shows so many of an answer, which may hold thousands. */
const mostShown = 128;

export type AnsweredQuestion = {
  readonly name: string;
  readonly type: number;
  readonly latencyNs: number;
};

export function responseLayer7(question: AnsweredQuestion, answer: Answer): DnsLayer7 {
  const { addresses, aliases, rcode, types } = answer;
  return {
    type: 2,
    latencyNs: question.latencyNs,
    kind: "dns",
    query: `${question.name}.`,
    ips: addresses.slice(0, mostShown).map(({ address }) => address),
    ttl: addresses.reduce((least, { ttlS }) => Math.min(least, ttlS), addresses[0]?.ttlS ?? 0),
    cnames: aliases.map((alias) => `${alias}.`),
    observationSource: "proxy",
    rcode,
    qtypes: [typeName(question.type)],
    rrtypes: types.slice(0, mostShown),
  };
}
