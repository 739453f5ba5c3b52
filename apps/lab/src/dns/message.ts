// What DNS messages say (RFC 1035 section 4, EDNS RFC 6891): queries and answers, without their bytes.
import type { Name } from "./name.ts";

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

/** Bytes of every message before its first section. */
export const headerSize = 12;
