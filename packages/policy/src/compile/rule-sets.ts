// Rule sets that slots send connections to: one of each content, with the port of its listener.
import type { RuleSet } from "../model.ts";
import type { RuleSetPorts } from "./rule-set-ports.ts";

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

  /** The port of the set's listener; `release` is owed for every call. @throws SlotError no_port_left */
  acquire(ruleSet: RuleSet, content: string): number {
    const known = this.#byContent.get(content) ?? this.#add(ruleSet, content);
    known.users++;
    return known.port;
  }

  release(port: number): void {
    const known = this.#byPort.get(port);
    if (!known || --known.users > 0) return;
    this.#byPort.delete(port);
    this.#byContent.delete(known.content);
    this.#ports.release(port);
  }

  /** The set that some slot sends connections to by this port. */
  get(port: number): RuleSet | undefined {
    return this.#byPort.get(port)?.ruleSet;
  }

  #add(ruleSet: RuleSet, content: string): Known {
    const known = { port: this.#ports.acquire(ruleSet, content), content, ruleSet, users: 0 };
    this.#byContent.set(content, known);
    this.#byPort.set(known.port, known);
    return known;
  }
}

/** Rule sets that one slot has until it is done with all of them. */
export class RuleSetLease {
  readonly #sets: RuleSets;
  readonly #held = new Set<number>();

  constructor(sets: RuleSets) {
    this.#sets = sets;
  }

  /** @throws SlotError no_port_left */
  of(ruleSet: RuleSet, content: string): number {
    const port = this.#sets.acquire(ruleSet, content);
    if (this.#held.has(port)) this.#sets.release(port);
    this.#held.add(port);
    return port;
  }

  get(port: number): RuleSet | undefined {
    return this.#sets.get(port);
  }

  [Symbol.dispose](): void {
    for (const port of this.#held) this.#sets.release(port);
    this.#held.clear();
  }
}
