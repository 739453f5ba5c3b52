// A broker's answers, cut out of its stream: forwarded chunk by chunk, their beginnings kept to be read.
import { ByteQueue } from "./byte-queue.ts";

/** Length and correlation id. */
const headLength = 8;

export type AnswerHandler = {
  /** An answer begins. How many of its bytes (after its length) are to be kept, and whether the client gets it. */
  begin(
    correlationId: number,
    length: number,
  ): { readonly kept: number; readonly isForwarded: boolean };
  forward(chunk: Buffer): void;
  /** It ended; `bytes`: its beginning. */
  end(bytes: Buffer, length: number): void;
};

type Current = {
  readonly length: number;
  readonly kept: Buffer[];
  readonly isForwarded: boolean;
  left: number;
  keepMore: number;
  keptLength: number;
};

export class AnswerReader {
  readonly #handler: AnswerHandler;
  readonly #maxLength: number;
  readonly #queue = new ByteQueue();
  #current: Current | undefined;

  constructor(handler: AnswerHandler, maxLength: number) {
    this.#handler = handler;
    this.#maxLength = maxLength;
  }

  /** @throws RangeError for lengths that no answer has; whatever `begin` throws */
  push(chunk: Buffer): void {
    this.#queue.push(chunk);
    while (this.#current ? this.#queue.length > 0 : this.#queue.length >= headLength) {
      this.#current ??= this.#begin();
      this.#pass(this.#current);
      if (this.#current.left > 0) continue;
      const { kept, length } = this.#current;
      this.#current = undefined;
      this.#handler.end(kept.length === 1 ? (kept[0] as Buffer) : Buffer.concat(kept), length);
    }
  }

  /** Of an answer that is not all there. */
  get keptBytes(): number {
    return this.#current?.keptLength ?? 0;
  }

  /** Whether it is between two answers. */
  get isBetween(): boolean {
    return this.#current === undefined && this.#queue.length === 0;
  }

  #begin(): Current {
    const head = this.#queue.first(headLength);
    const length = head.readInt32BE(0);
    if (length < 4 || length > this.#maxLength) throw new RangeError("an answer of no sane length");
    const { kept, isForwarded } = this.#handler.begin(head.readInt32BE(4), length);
    const lengthField = Buffer.concat(this.#queue.take(4));
    if (isForwarded) this.#handler.forward(lengthField);
    return { length, kept: [], isForwarded, left: length, keepMore: kept, keptLength: 0 };
  }

  #pass(current: Current): void {
    for (const chunk of this.#queue.take(current.left)) {
      current.left -= chunk.length;
      if (current.isForwarded) this.#handler.forward(chunk);
      if (current.keepMore <= 0) continue;
      const part = chunk.subarray(0, current.keepMore);
      current.kept.push(part);
      current.keepMore -= part.length;
      current.keptLength += part.length;
    }
  }
}
