// Answers that a connection's client waits for, in the order of its requests: brokers answer in that order, so an answer
// of ours has to wait for its turn.
import { sessionPart, type Request } from "@tsilium/kafka";

export type Awaited =
  | {
      readonly kind: "broker";
      readonly request: Request;
      readonly rule: number;
      readonly sentAtMs: number;
      readonly topic: string;
    }
  /** The proxy's own question; the client does not see its answer. */
  | { readonly kind: "own"; readonly request: Request }
  | { readonly kind: "ours"; readonly response: Buffer }
  /** Nothing is answered any more from here on. */
  | { readonly kind: "end" };

/** About what a topic takes that is kept until its session begins. */
const bytesOfTopic = 128;

/**
 * What of a request its answer is read with. The rest may be large, and a thousand of them may wait for a broker that takes
 * its time.
 */
export function toBeAwaited({ header, api, topics, body, expectsResponse }: Request): Request {
  const request = { header, api, expectsResponse };
  if (topics.kind === "unknown") return { ...request, topics, body: body && {} };
  return { ...request, ...sessionPart({ ...request, topics, body }) };
}

export class WaitingAnswers {
  readonly #queue: Awaited[] = [];
  #heldBytes = 0;

  get length(): number {
    return this.#queue.length;
  }

  /** Of answers made here that wait for their turn, and of topics of sessions that may begin. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  push(awaited: Awaited): void {
    this.#queue.push(awaited);
    this.#heldBytes += bytesOf(awaited);
  }

  /** What comes before the next answer of the broker. */
  takeOurs(): Extract<Awaited, { kind: "ours" | "end" }> | undefined {
    const [next] = this.#queue;
    if (next?.kind !== "ours" && next?.kind !== "end") return undefined;
    this.#queue.shift();
    this.#heldBytes -= bytesOf(next);
    return next;
  }

  /** Whom a broker's answer is for; undefined: nobody asked. */
  takeBrokers(correlationId: number): Extract<Awaited, { kind: "broker" | "own" }> | undefined {
    for (;;) {
      const next = this.#queue[0];
      if (next?.kind !== "broker" && next?.kind !== "own") return undefined;
      const isFor = next.request.header.correlationId === correlationId;
      if (!isFor && !mayBeSilent(next.request)) return undefined;
      this.#queue.shift();
      this.#heldBytes -= bytesOf(next);
      if (isFor) return next;
    }
  }
}

/** A Produce request that was not read so far may want no answer. */
function mayBeSilent({ header, body, topics }: Request): boolean {
  return header.apiKey === 0 && body === undefined && topics.kind === "unknown";
}

function bytesOf(awaited: Awaited): number {
  if (awaited.kind === "ours") return awaited.response.length;
  if (awaited.kind === "end") return 0;
  const { topics } = awaited.request;
  return topics.kind === "named" ? topics.topics.length * bytesOfTopic : 0;
}
