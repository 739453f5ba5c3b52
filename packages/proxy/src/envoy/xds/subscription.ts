// What one client wants of one kind, what it was sent, and what it said to that (xDS, state of the world): pure.
//
//   request without nonce --> answer 1 --> ACK (nonce 1) ............ --> answer 2 --> NACK (nonce 2, error)
//                                      \-> other names (nonce 1) --> answer with those
import { wholesale, type Kind } from "./kinds.ts";
import type { Resource, ResourceSet } from "../resources/resources.ts";

export type Request = {
  readonly resourceNames: readonly string[];
  /** Of what the client has in force. */
  readonly versionInfo: string;
  readonly responseNonce: string;
  /** undefined: no error. */
  readonly error: string | undefined;
};

export type Sent = {
  readonly nonce: string;
  readonly version: string;
  readonly resources: ReadonlyMap<string, Resource>;
};

export type Heard =
  /** Everything that was sent is in force. */
  | { readonly kind: "ack"; readonly sent: Sent }
  /** Something of what was sent is not. */
  | { readonly kind: "nack"; readonly sent: Sent; readonly reason: string }
  /** The first request. */
  | { readonly kind: "subscribed" }
  /** Other names; nothing about what was sent. */
  | { readonly kind: "names" }
  /** Of an answer before the last one: what it says is out of date. */
  | { readonly kind: "stale" };

export class Subscription {
  readonly kind: Kind;
  #names: ReadonlySet<string> | "all" | undefined;
  #sent: Sent | undefined;
  #heard = true;

  constructor(kind: Kind) {
    this.kind = kind;
  }

  /** Whether an answer is on its way: the next one waits until the client has spoken to it. */
  get busy(): boolean {
    return !this.#heard;
  }

  hear(request: Request): Heard {
    const sent = this.#sent;
    if (sent && request.responseNonce !== sent.nonce) return { kind: "stale" };
    this.#names = this.#wanted(request.resourceNames);
    if (!sent) return { kind: "subscribed" };
    this.#heard = true;
    if (request.error !== undefined) return { kind: "nack", sent, reason: request.error };
    // After a refusal the client may ask for other names, still on its old version.
    return request.versionInfo === sent.version ? { kind: "ack", sent } : { kind: "names" };
  }

  /** What an answer would hold; undefined: nothing is wanted. */
  wanted(resources: ResourceSet): ReadonlyMap<string, Resource> | undefined {
    const names = this.#names;
    if (names === undefined) return undefined;
    if (names === "all") return resources;
    return new Map([...resources].filter(([name]) => names.has(name)));
  }

  /** Whether the client was sent exactly these last. */
  was(wanted: ReadonlyMap<string, Resource>): boolean {
    const sent = this.#sent?.resources;
    if (sent?.size !== wanted.size) return false;
    return [...wanted].every(([name, { bytes }]) => {
      const known = sent.get(name)?.bytes;
      return known !== undefined && Buffer.compare(known, bytes) === 0;
    });
  }

  send(sent: Sent): void {
    this.#sent = sent;
    this.#heard = false;
  }

  #wanted(names: readonly string[]): ReadonlySet<string> | "all" {
    // Once names were given, none means none.
    const everything =
      names.includes("*") || (names.length === 0 && (this.#names ?? "all") === "all");
    return everything && wholesale.has(this.kind) ? "all" : new Set(names);
  }
}
