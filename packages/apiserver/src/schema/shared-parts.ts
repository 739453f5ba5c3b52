// Schemas write the same part out again wherever it occurs (a policy's selectors: dozens of times); compiled once and
// referred to, such a schema compiles in a fraction of the time.

/** Parts whose text is shorter than this cost less in place. */
const leastLength = 150;

export class SharedParts {
  readonly #names = new Map<string, string>();

  /** The part itself, or a reference that stands for it and its equals. */
  share(part: Record<string, unknown>): Record<string, unknown> {
    const text = JSON.stringify(part);
    if (text.length < leastLength) return part;
    let name = this.#names.get(text);
    if (name === undefined) this.#names.set(text, (name = `part${this.#names.size}`));
    return { $ref: `#/definitions/${name}` };
  }

  /** What references point at; empty when there are none. */
  definitions(): Record<string, unknown> {
    return Object.fromEntries(
      [...this.#names].map(([text, name]) => [name, JSON.parse(text) as unknown]),
    );
  }
}
