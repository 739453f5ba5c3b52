// Names of the rules that events carry by number. Asked of the policy worker once per number and while.
import type { NamedRule } from "../policy/model.ts";

/** A number stands for the same rule as long as a worker lives; another may give it to another rule. */
const keptMs = 5_000;

export class RuleNames {
  readonly #ask: (numbers: readonly number[]) => Promise<readonly NamedRule[]>;
  readonly #known = new Map<number, NamedRule | undefined>();
  #since = 0;

  /** @param ask names of numbers; those that are not known are left out */
  constructor(ask: (numbers: readonly number[]) => Promise<readonly NamedRule[]>) {
    this.#ask = ask;
  }

  async of(number: number): Promise<NamedRule | undefined> {
    if (Date.now() - this.#since > keptMs) {
      this.#known.clear();
      this.#since = Date.now();
    }
    if (this.#known.has(number)) return this.#known.get(number);
    const [named] = await this.#ask([number]);
    this.#known.set(number, named);
    return named;
  }
}
