// What was last received from a peer, so that a stream that broke is gone on with where it stood: the peer is asked for
// flows since a moment before, and those that were sent on already are left out.
import { CodecError, peekResponse } from "../codec/index.ts";
import { Reader } from "../codec/reader.ts";
import type { Message } from "./source.ts";

/** Flows kept; and how far back a peer is asked again, since it may order late what it saw at one time. */
const length = 256;
const windowNs = 100_000_000n;

/** Of a flow: a stream has many of these for each of its peers, and flows are a thousand bytes. */
type Step = { readonly timeNs: bigint; readonly identity: string };

export class Trail {
  readonly #last: Step[] = [];
  #next = 0;
  /** Flows that may come twice, and up to when; of the stream that runs. */
  #known: ReadonlySet<string> | undefined;
  #knownUntilNs = 0n;

  /** A flow was received. */
  add({ timeNs, bytes }: Message): void {
    this.#last[this.#next] = { timeNs, identity: identityOf(bytes) };
    this.#next = (this.#next + 1) % length;
  }

  /** Whether anything was received. */
  get isEmpty(): boolean {
    return this.#last.length === 0;
  }

  /** Since when to ask for flows, once there are any. From now on `isKnown` tells those that come twice. */
  resume(): bigint {
    const times = this.#last.map(({ timeNs }) => timeNs);
    const newest = times.reduce((a, b) => (a > b ? a : b), 0n);
    const oldest = times.reduce((a, b) => (a < b ? a : b), newest);
    this.#known = new Set(this.#last.map(({ identity }) => identity));
    this.#knownUntilNs = newest;
    return newest - windowNs > oldest ? newest - windowNs : oldest;
  }

  /** Whether this flow was received before the stream broke. */
  isKnown({ timeNs, bytes }: Message): boolean {
    if (this.#known === undefined) return false;
    if (timeNs <= this.#knownUntilNs) return this.#known.has(identityOf(bytes));
    // Flows of a peer come in the order of their times, but for the window.
    if (timeNs > this.#knownUntilNs + windowNs) this.#known = undefined;
    return false;
  }
}

const uuidTag = (34 << 3) | 2;

/** A flow's uuid, or all of it where it has none that can be read. */
function identityOf(bytes: Uint8Array): string {
  return uuidOf(bytes) ?? Buffer.from(bytes).toString("latin1");
}

function uuidOf(bytes: Uint8Array): string | undefined {
  try {
    const reader = new Reader(peekResponse(bytes).body);
    for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
      if (tag === uuidTag) return reader.string();
      reader.skip(tag);
    }
    return undefined;
  } catch (error) {
    // Whoever reads the flow will tell: here it is passed on as it came.
    if (error instanceof CodecError) return undefined;
    throw error;
  }
}
