// Numbers for what decides: a rule, a set of objects that isolate, or nothing at all. The kernel's entries and events
// carry the number; events arrive late, so the names of those that went are kept for a while.
import type { RuleName } from "../model.ts";
import { refKey } from "../model.ts";

type Numbered = {
  readonly number: number;
  readonly key: string;
  readonly name: RuleName;
  users: number;
};

/** How many names of rules that went are remembered. */
const remembered = 4096;

export class RuleNumbers {
  readonly #byNumber = new Map<number, Numbered>();
  readonly #byKey = new Map<string, Numbered>();
  /** Without users, longest so first. */
  readonly #idle = new Set<Numbered>();
  #next: number;

  constructor(first: number) {
    this.#next = first;
  }

  /** The name's number, which stays its own until as often released, and for a while after. */
  acquire(name: RuleName): number {
    const key = keyOf(name);
    const numbered = this.#byKey.get(key) ?? this.#add(key, name);
    numbered.users++;
    this.#idle.delete(numbered);
    return numbered.number;
  }

  release(number: number): void {
    const numbered = this.#byNumber.get(number);
    if (!numbered || --numbered.users > 0) return;
    this.#idle.add(numbered);
    if (this.#idle.size <= remembered) return;
    for (const oldest of this.#idle) {
      this.#idle.delete(oldest);
      this.#byNumber.delete(oldest.number);
      this.#byKey.delete(oldest.key);
      return;
    }
  }

  name(number: number): RuleName | undefined {
    return this.#byNumber.get(number)?.name;
  }

  /** A text that says what the number stands for, in this agent and the next. */
  key(number: number): string | undefined {
    return this.#byNumber.get(number)?.key;
  }

  /** The last number that was given out; they grow, and none is given again. */
  get last(): number {
    return this.#next - 1;
  }

  /** All that are known. */
  *names(): Generator<readonly [number: number, name: RuleName], void> {
    for (const { number, name } of this.#byNumber.values()) yield [number, name];
  }

  #add(key: string, name: RuleName): Numbered {
    const numbered = { number: this.#next++, key, name, users: 0 };
    this.#byNumber.set(numbered.number, numbered);
    this.#byKey.set(key, numbered);
    return numbered;
  }
}

/** Numbers that one user has until it is done with all of them. */
export class RuleLease {
  readonly #numbers: RuleNumbers;
  readonly #held = new Set<number>();

  constructor(numbers: RuleNumbers) {
    this.#numbers = numbers;
  }

  of(name: RuleName): number {
    const number = this.#numbers.acquire(name);
    if (this.#held.has(number)) this.#numbers.release(number);
    this.#held.add(number);
    return number;
  }

  name(number: number): RuleName | undefined {
    return this.#numbers.name(number);
  }

  key(number: number): string | undefined {
    return this.#numbers.key(number);
  }

  [Symbol.dispose](): void {
    for (const number of this.#held) this.#numbers.release(number);
    this.#held.clear();
  }
}

function keyOf(name: RuleName): string {
  switch (name.kind) {
    case "rule": {
      const { peers, ports } = name.matches ?? {};
      return `rule ${refKey(name.ref)} ${name.path} ${peers} ${ports} ${name.log ?? ""}`;
    }
    case "default-deny":
      return `default-deny ${name.by.map(({ ref, path }) => `${refKey(ref)} ${path}`).join(" ")}`;
    case "builtin":
      return `builtin ${name.reason}`;
  }
}
