// The listeners and what each enforces, kept on disk: what was applied once holds at the next start before anything
// else is read.
import { allowAll, compileDnsRules, type Decide, denyAll } from "@tsilium/dns";
import { readListenerRules, type ReceivedToProxy } from "@tsilium/proxy/control/index.ts";
import type { ListenerProblem, ListenerRules } from "@tsilium/proxy/model.ts";
import type { StateFolder } from "@tsilium/proxy/privileges/index.ts";

export type Listener = {
  readonly port: number;
  readonly rules: ListenerRules;
  readonly decide: Decide;
};

/**
 * Opens and closes a listener's sockets; both may be called again. What waits in them is judged before they are closed.
 * @throws Error when the port cannot be had
 */
export type ListenerSockets = {
  open(port: number): void;
  close(port: number): void;
};

type Apply = Extract<ReceivedToProxy, { kind: "apply" }>;

const stateName = "listeners.json";
/** Of the state's layout. */
const stateVersion = 1;

export class Listeners {
  readonly #listeners = new Map<number, Listener>();
  readonly #sockets: ListenerSockets;
  readonly #state: StateFolder;
  readonly #onError: (error: unknown) => void;

  /** @param onError rules that are in force could not be kept. */
  constructor(state: StateFolder, sockets: ListenerSockets, onError: (error: unknown) => void) {
    this.#onError = onError;
    this.#state = state;
    this.#sockets = sockets;
  }

  get all(): readonly Listener[] {
    return [...this.#listeners.values()];
  }

  get(port: number): Listener | undefined {
    return this.#listeners.get(port);
  }

  /** What holds for a connection under that listener's rules; 0: no rules. */
  decideFor(port: number): Decide {
    return port === 0 ? allowAll : (this.#listeners.get(port)?.decide ?? denyAll);
  }

  /**
   * Puts into force what was kept, before there is an agent. Answers what went wrong; a state that cannot be read is as
   * none: no listener, so that packets for it are dropped.
   */
  restore(): readonly string[] {
    const content = this.#state.read(stateName);
    if (content === undefined) return [];
    if (typeof content !== "string")
      return ["the kept state is damaged: nothing is served until the agent comes"];
    try {
      const { version, listeners } = JSON.parse(content) as {
        version: unknown;
        listeners: unknown;
      };
      if (version !== stateVersion || !Array.isArray(listeners)) throw new Error("another layout");
      const rules = listeners.map((item, index) => readListenerRules(item, `listeners[${index}]`));
      return rules
        .flatMap((one) => this.#set(one) ?? [])
        .map(({ port, reason }) => `port ${port}: ${reason}`);
    } catch (error) {
      return [`the kept state is of no use: ${(error as Error).message}`];
    }
  }

  /** Puts the change into force and keeps it. Listeners with problems let nothing through. */
  apply({ whole, listeners, removed, invalid }: Apply): readonly ListenerProblem[] {
    const named = new Set([...listeners, ...invalid].map(({ port }) => port));
    const gone = whole ? [...this.#listeners.keys()].filter((port) => !named.has(port)) : removed;
    for (const port of gone) this.#retire(port);
    for (const { port } of invalid) this.#remove(port);
    const problems = listeners.flatMap((rules) => this.#set(rules) ?? []);
    this.#keep();
    return [...invalid, ...problems];
  }

  #set(rules: ListenerRules): ListenerProblem | undefined {
    const { port, ruleSet } = rules;
    if (ruleSet.kind !== "dns") {
      this.#remove(port);
      return { port, reason: `rules of kind ${ruleSet.kind} are not for the DNS proxy` };
    }
    // Rules first: a socket that is open already must not answer by the old ones.
    this.#listeners.set(port, { port, rules, decide: compileDnsRules(ruleSet) });
    try {
      this.#sockets.open(port);
      return undefined;
    } catch (error) {
      return { port, reason: (error as Error).message };
    }
  }

  /** Other rules hold by now: what has come here before them is answered by those of its time. */
  #retire(port: number): void {
    this.#sockets.close(port);
    this.#listeners.delete(port);
  }

  /** Nothing is let through from now on. */
  #remove(port: number): void {
    this.#listeners.delete(port);
    this.#sockets.close(port);
  }

  /** Rules of before must not come back: what cannot be kept is not there at the next start, and nothing is let through. */
  #keep(): void {
    const listeners = this.all.map(({ rules }) => rules);
    try {
      this.#state.write(stateName, JSON.stringify({ version: stateVersion, listeners }));
    } catch (error) {
      this.#state.remove(stateName);
      this.#onError(error);
    }
  }
}
