// What the listeners of a process are to enforce, what the process was told, and what it has acknowledged. Pure.
import type { ListenerProblem, ListenerRules } from "@tsilium/proxy/model.ts";
import type { Acknowledgement, SeatReport, WantedRules } from "./model.ts";

type Held = { readonly version: number; readonly problem: string | undefined };

export class ListenerBook {
  readonly #wanted = new Map<number, ListenerRules>();
  readonly #held = new Map<number, Held>();
  /** Ports whose rules the process has not been told. */
  readonly #changed = new Set<number>();
  readonly #removed = new Set<number>();
  #isWhole = true;

  /** How many listeners are wanted. */
  get size(): number {
    return this.#wanted.size;
  }

  /** Whether every listener holds what is wanted, or is known not to. */
  get isSettled(): boolean {
    return [...this.#wanted.values()].every((rules) => this.#isHeld(rules));
  }

  /** Answers whether there is anything to tell the process. */
  change({ whole, listeners, removed }: WantedRules): boolean {
    const gone = whole ? this.#othersThan(listeners) : removed;
    for (const port of gone) this.#forget(port);
    for (const rules of listeners) {
      this.#wanted.set(rules.port, rules);
      // Whoever says it again waits for its acknowledgement again.
      this.#held.delete(rules.port);
      this.#changed.add(rules.port);
      this.#removed.delete(rules.port);
    }
    return listeners.length > 0 || gone.length > 0;
  }

  /** What the process is to be told next; undefined: nothing. */
  take(): WantedRules | undefined {
    const whole = this.#isWhole;
    if (!whole && this.#changed.size + this.#removed.size === 0) return undefined;
    const listeners = whole ? [...this.#wanted.values()] : this.#unsaid();
    const removed = whole ? [] : [...this.#removed];
    this.#changed.clear();
    this.#removed.clear();
    this.#isWhole = false;
    return { whole, listeners, removed };
  }

  /** The process did not take it: everything is to be said again, these listeners have not been acknowledged. */
  refused({ listeners }: WantedRules): void {
    this.#isWhole = true;
    for (const { port } of listeners) this.#changed.add(port);
  }

  /** Another process knows nothing. */
  startOver(): void {
    this.#isWhole = true;
  }

  /** The process is gone, and what it held with it. */
  lost(): void {
    this.#held.clear();
    this.#unsay();
  }

  /** There is no process that anything could be said to. */
  unreachable(): void {
    this.#unsay();
  }

  /** The process did take it. Answers what is news, of what is still wanted. */
  taken({ listeners }: WantedRules, problems: readonly ListenerProblem[]): Acknowledgement[] {
    return this.#hold(listeners, reasonsOf(problems));
  }

  /** What is in force already has these problems now, and no others. Answers what is news. */
  noteProblems(problems: readonly ListenerProblem[]): Acknowledgement[] {
    const held = [...this.#wanted.values()].filter((rules) => this.#isHeld(rules));
    return this.#hold(held, reasonsOf(problems));
  }

  /** Nothing that has not been said can be enforced, for this reason. Answers what is news. */
  giveUp(reason: string): Acknowledgement[] {
    return this.#hold(this.#unsaid(), () => reason);
  }

  rows(): SeatReport["listeners"] {
    return [...this.#wanted.values()]
      .toSorted((a, b) => a.port - b.port)
      .map(({ port, version, ruleSet }) => ({
        port,
        kind: ruleSet.kind,
        rules: ruleSet.rules.length,
        version,
        acknowledged: this.#held.get(port)?.version,
        problem: this.#held.get(port)?.problem,
      }));
  }

  #othersThan(listeners: readonly ListenerRules[]): number[] {
    const kept = new Set(listeners.map(({ port }) => port));
    return [...this.#wanted.keys()].filter((port) => !kept.has(port));
  }

  #forget(port: number): void {
    if (!this.#wanted.delete(port)) return;
    this.#held.delete(port);
    this.#changed.delete(port);
    this.#removed.add(port);
  }

  #unsay(): void {
    for (const port of this.#wanted.keys()) this.#changed.add(port);
  }

  #unsaid(): ListenerRules[] {
    return [...this.#changed].flatMap((port) => this.#wanted.get(port) ?? []);
  }

  #isHeld({ port, version }: ListenerRules): boolean {
    return this.#held.get(port)?.version === version;
  }

  #hold(
    listeners: readonly ListenerRules[],
    reasonOf: (port: number) => string | undefined,
  ): Acknowledgement[] {
    const acks = listeners
      .filter(({ port, version }) => this.#wanted.get(port)?.version === version)
      .map(({ port, version }) => ({ port, version, problem: reasonOf(port) }))
      .filter((ack) => !isSame(ack, this.#held.get(ack.port)));
    for (const { port, version, problem } of acks) this.#held.set(port, { version, problem });
    return acks;
  }
}

function reasonsOf(problems: readonly ListenerProblem[]): (port: number) => string | undefined {
  const reasons = new Map(problems.map(({ port, reason }) => [port, reason]));
  return (port) => reasons.get(port);
}

function isSame(ack: Acknowledgement, held: Held | undefined): boolean {
  return held !== undefined && held.version === ack.version && held.problem === ack.problem;
}
