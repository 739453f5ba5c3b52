// Numbers for sequences of numbers, given out as sequences grow: one step costs one lookup, however long the sequence
// is, where a text made of it would have to be built and hashed for each of thousands of peers.

export class Sequences {
  /** The sequence without items. */
  static readonly empty = 0;
  /** (sequence, item) -> the sequence with the item at its end. */
  readonly #longer = new Map<number, number>();
  readonly #shorter: number[] = [Sequences.empty];
  readonly #last: number[] = [-1];

  /** Items are whole, from 0 to below 2^24. */
  append(sequence: number, item: number): number {
    const key = sequence * 2 ** 24 + item;
    const known = this.#longer.get(key);
    if (known !== undefined) return known;
    this.#shorter.push(sequence);
    this.#last.push(item);
    const longer = this.#last.length - 1;
    this.#longer.set(key, longer);
    return longer;
  }

  /** The item at the end; -1 for none. */
  last(sequence: number): number {
    return this.#last[sequence] as number;
  }

  items(sequence: number): number[] {
    const items: number[] = [];
    for (let at = sequence; at !== Sequences.empty; at = this.#shorter[at] as number)
      items.push(this.last(at));
    return items.reverse();
  }
}
