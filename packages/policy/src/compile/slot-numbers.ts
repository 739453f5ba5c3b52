// Numbers for slots: 16 bits, each used again only when nothing older is free, and not before whoever holds it was told
// that it is gone.
import { SlotError } from "./errors.ts";

const lastSlot = 65_535;

export class SlotNumbers {
  #next: number;
  /** Longest free first. */
  readonly #free = new Set<number>();
  #leaving: number[] = [];

  constructor(first: number) {
    this.#next = first;
  }

  /** @throws SlotError no_slot_left */
  take(): number {
    if (this.#next <= lastSlot) return this.#next++;
    const [number] = this.#free;
    if (number === undefined) throw new SlotError("no_slot_left", "all slots are in use");
    this.#free.delete(number);
    return number;
  }

  /** Gives back a number that nobody was told of. */
  putBack(number: number): void {
    this.#free.add(number);
  }

  /** Gives back a number that is still in use somewhere until `settle`. */
  release(number: number): void {
    this.#leaving.push(number);
  }

  /** Everything released so far is gone. */
  settle(): void {
    for (const number of this.#leaving) this.#free.add(number);
    this.#leaving = [];
  }
}
