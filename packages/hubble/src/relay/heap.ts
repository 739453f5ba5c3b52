// A binary heap whose members know their place in it, so that one of them can be moved or taken out in O(log n).

export type HeapMember = {
  /** Least first. Changed only together with `heap.moved(member)`. */
  key: number;
  /** The heap's own; -1: not in it. */
  place: number;
};

export class Heap<T extends HeapMember> {
  readonly #members: T[] = [];

  get top(): T | undefined {
    return this.#members[0];
  }

  get size(): number {
    return this.#members.length;
  }

  /** In no order. */
  get members(): readonly T[] {
    return this.#members;
  }

  push(member: T): void {
    member.place = this.#members.length;
    this.#members.push(member);
    this.#rise(member);
  }

  /** Puts a member whose key has changed where it belongs. */
  moved(member: T): void {
    this.#rise(member);
    this.#sink(member);
  }

  remove(member: T): void {
    const last = this.#members.pop() as T;
    if (last !== member) {
      last.place = member.place;
      this.#members[last.place] = last;
      this.moved(last);
    }
    member.place = -1;
  }

  #rise(member: T): void {
    while (member.place > 0) {
      const parent = this.#members[(member.place - 1) >> 1] as T;
      if (parent.key <= member.key) return;
      this.#swap(parent, member);
    }
  }

  #sink(member: T): void {
    for (;;) {
      const left = this.#members[2 * member.place + 1];
      const right = this.#members[2 * member.place + 2];
      const least = left && right && right.key < left.key ? right : left;
      if (!least || least.key >= member.key) return;
      this.#swap(member, least);
    }
  }

  #swap(upper: T, lower: T): void {
    const { place } = upper;
    upper.place = lower.place;
    lower.place = place;
    this.#members[upper.place] = upper;
    this.#members[lower.place] = lower;
  }
}
