// Rule sets that slots send connections to: one of each content, with the port of its listener.
import type { RuleSet } from "../model.ts";
import type { RuleSetPorts, WantedListener } from "./rule-set-ports.ts";

type Known = {
  readonly port: number;
  readonly content: string;
  readonly ruleSet: RuleSet;
  users: number;
};

export class RuleSets {
  readonly #ports: RuleSetPorts;
  readonly #byContent = new Map<string, Known>();
  readonly #byPort = new Map<number, Known>();

  constructor(ports: RuleSetPorts) {
    this.#ports = ports;
  }

  /** The port of the set's listener, for which `release` is owed with every call; undefined: none is left. */
  acquire(wanted: WantedListener): number | undefined {
    const known = this.#byContent.get(wanted.content) ?? this.#add(wanted);
    if (known) known.users++;
    return known?.port;
  }

  release(port: number): void {
    const known = this.#byPort.get(port);
    if (!known || --known.users > 0) return;
    this.#byPort.delete(port);
    this.#byContent.delete(known.content);
    this.#ports.release(port);
  }

  /** `acquire` would answer a port now. */
  hasRoom(wanted: WantedListener): boolean {
    return this.#byContent.has(wanted.content) || this.#ports.hasRoom(wanted);
  }

  /** The set that some slot sends connections to by this port. */
  get(port: number): RuleSet | undefined {
    return this.#byPort.get(port)?.ruleSet;
  }

  #add(wanted: WantedListener): Known | undefined {
    const { content, ruleSet } = wanted;
    const port = this.#ports.acquire(wanted);
    if (port === undefined) return undefined;
    const known = { port, content, ruleSet, users: 0 };
    this.#byContent.set(content, known);
    this.#byPort.set(port, known);
    return known;
  }
}

/** Rule sets that one slot has until it is done with all of them. */
export class RuleSetLease {
  readonly #sets: RuleSets;
  readonly #held = new Set<number>();
  /** Those that have no listener, by their content: what a slot has decided stays so. */
  readonly #missing = new Map<string, WantedListener>();

  constructor(sets: RuleSets) {
    this.#sets = sets;
  }

  /** undefined: no listener is left, and the slot does without. */
  of(wanted: WantedListener): number | undefined {
    if (this.#missing.has(wanted.content)) return undefined;
    const port = this.#sets.acquire(wanted);
    if (port === undefined) {
      this.#missing.set(wanted.content, wanted);
      return undefined;
    }
    if (this.#held.has(port)) this.#sets.release(port);
    this.#held.add(port);
    return port;
  }

  get(port: number): RuleSet | undefined {
    return this.#sets.get(port);
  }

  /** Rule sets that should have a listener. */
  get missing(): Iterable<WantedListener> {
    return this.#missing.values();
  }

  /** Another slot in its place would have some of the listeners that this one lacks. */
  get mayHaveMore(): boolean {
    return this.#missing.values().some((wanted) => this.#sets.hasRoom(wanted));
  }

  [Symbol.dispose](): void {
    for (const port of this.#held) this.#sets.release(port);
    this.#held.clear();
    this.#missing.clear();
  }
}
