// The newest N messages of all that peers send, each of which sends its own newest N.
import { Heap, type HeapMember } from "./heap.ts";
import type { Message } from "./source.ts";

type Kept = HeapMember & { readonly message: Message; readonly order: number };

export class Newest {
  readonly #limit: number;
  readonly #hold: (bytes: number) => void;
  readonly #kept = new Heap<Kept>();
  #order = 0;
  #epochNs: bigint | undefined;

  /**
   * @param limit how many are kept, at least 1
   * @param hold told how many bytes more are kept, or fewer; when it throws, the message is not kept
   */
  constructor(limit: number, hold: (bytes: number) => void = () => undefined) {
    this.#limit = limit;
    this.#hold = hold;
  }

  add(message: Message): void {
    this.#epochNs ??= message.timeNs;
    const key = Number(message.timeNs - this.#epochNs);
    const { top } = this.#kept;
    if (top && this.#kept.size >= this.#limit) {
      if (key < top.key) return;
      this.#kept.remove(top);
      this.#hold(-top.message.bytes.length);
    }
    this.#hold(message.bytes.length);
    this.#kept.push({ key, place: -1, message, order: this.#order++ });
  }

  /** Oldest first; of one time, as they came. */
  sorted(): Message[] {
    return this.#kept.members
      .toSorted((a, b) => a.key - b.key || a.order - b.order)
      .map(({ message }) => message);
  }
}
