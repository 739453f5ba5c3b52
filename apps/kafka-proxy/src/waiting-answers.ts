// Answers that a connection's client waits for, in the order of its requests: brokers answer in that order, so an answer
// of ours has to wait for its turn.
import type { Request } from "@tsilium/kafka";

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

export class WaitingAnswers {
  readonly #queue: Awaited[] = [];
  #ownBytes = 0;

  get length(): number {
    return this.#queue.length;
  }

  /** Of answers made here that wait for their turn. */
  get heldBytes(): number {
    return this.#ownBytes;
  }

  push(awaited: Awaited): void {
    this.#queue.push(awaited);
    if (awaited.kind === "ours") this.#ownBytes += awaited.response.length;
  }

  /** What comes before the next answer of the broker. */
  takeOurs(): Extract<Awaited, { kind: "ours" | "end" }> | undefined {
    const [next] = this.#queue;
    if (next?.kind !== "ours" && next?.kind !== "end") return undefined;
    this.#queue.shift();
    if (next.kind === "ours") this.#ownBytes -= next.response.length;
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
      if (isFor) return next;
    }
  }
}

/** A Produce request that was not read so far may want no answer. */
function mayBeSilent({ header, body, topics }: Request): boolean {
  return header.apiKey === 0 && body === undefined && topics.kind === "unknown";
}
