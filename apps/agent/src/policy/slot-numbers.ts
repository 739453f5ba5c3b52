// Numbers of slots in the kernel. The compiler numbers its slots itself and uses a number again once it has let go of
// the slot; the kernel may have to hold on to it for longer, as long as what replaces it cannot be written.

/** 0 and 1 have a meaning of their own (bpf/maps/policy.h). */
const first = 2;
const limit = 65_536;

export class SlotNumbers {
  readonly #taken: Set<number>;
  #next = first;

  constructor(taken: Iterable<number>) {
    this.#taken = new Set(taken);
  }

  /** A number that no slot in the kernel has. @throws RangeError when there is none */
  take(): number {
    for (let tried = first; tried < limit; tried++) {
      const number = this.#next;
      this.#next = number + 1 < limit ? number + 1 : first;
      if (this.#taken.has(number)) continue;
      this.#taken.add(number);
      return number;
    }
    throw new RangeError(`all ${limit - first} policy slots are in use`);
  }

  release(number: number): void {
    this.#taken.delete(number);
  }
}
