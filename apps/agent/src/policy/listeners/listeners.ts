// The listeners of proxies, as policy needs them: a port for every rule set that slots send connections to, told to the
// main thread, which has a proxy enforce it and says so. A port keeps its rule set as long as anything refers to it:
//
//   compiler's lease -- slots in the kernel, also of earlier agents -- listener -- then free, for others after a while
import { createHash } from "node:crypto";
import type { RuleSetPorts, WantedListener } from "@tsilium/policy";
import type { RuleSet } from "@tsilium/policy/model.ts";
import type { Acknowledgement, WantedRules } from "../../proxy/model.ts";
import type { Condition } from "../model.ts";
import type { ListenersFile, SavedListeners } from "./listeners-file.ts";
import { allPorts, PortPool } from "./port-pool.ts";
import { Shares } from "./shares.ts";

export type ListenersOptions = {
  readonly file: Pick<ListenersFile, "read" | "write">;
  /** Ports that entries in the kernel name, from before. */
  readonly inKernel: ReadonlySet<number>;
  /** Ports that connections of proxies have. */
  readonly acceptedPorts: () => ReadonlySet<number>;
  /** Milliseconds from a fixed point on. */
  readonly now: () => number;
};

type Listener = {
  readonly port: number;
  readonly content: string;
  /** Whose share it counts for. */
  readonly namespace: string;
  ruleSet: RuleSet;
  version: number;
  /** The compiler has it in some slot. */
  isLeased: boolean;
  /** When it was told of; undefined: not yet. */
  askedAt: number | undefined;
  /** A proxy enforces it. What a port says never changes: once is enough. */
  isAcknowledged: boolean;
  /** Why none does. */
  problem: string | undefined;
};

/** A slot is put in force this long after its listeners were asked for, whatever became of them: the kernel drops then. */
export const patienceMs = 5_000;

export class Listeners implements RuleSetPorts {
  readonly #file: ListenersOptions["file"];
  readonly #now: () => number;
  readonly #byPort = new Map<number, Listener>();
  readonly #byContent = new Map<string, Listener>();
  /** Ports in the kernel of which nobody knows any more what they were for. */
  readonly #foreign: Set<number>;
  readonly #pool: PortPool;
  readonly #shares = new Shares();
  /** To be told of. */
  readonly #changed = new Set<number>();
  readonly #removed = new Set<number>();
  #isWhole = true;
  #isSaved = true;
  #fileError: string | undefined;
  #version: number;

  constructor({ file, inKernel, acceptedPorts, now }: ListenersOptions) {
    this.#file = file;
    this.#now = now;
    // Where the kernel knows of no listener either there was none.
    const used = inKernel.size > 0 ? allPorts() : [];
    const saved: SavedListeners = file.read() ?? { listeners: [], used, version: 0 };
    this.#version = saved.version;
    for (const { port, content, namespace, ruleSet, version } of saved.listeners)
      this.#add({ port, content, namespace, ruleSet, version, isLeased: false });
    this.#foreign = new Set([...inKernel].filter((port) => !this.#byPort.has(port)));
    const taken = [...this.#byPort.keys(), ...this.#foreign];
    this.#pool = new PortPool({ taken, used: saved.used, acceptedPorts, now });
  }

  /** No port means anything. */
  get isEmpty(): boolean {
    return this.#byPort.size + this.#foreign.size === 0;
  }

  /** The largest number of a rule in what was found; 0: none. */
  get largestRule(): number {
    const numbers = [...this.#byPort.values()].flatMap(({ ruleSet }) => [
      ruleSet.denyRule,
      ...ruleSet.rules.map(({ rule }) => rule),
    ]);
    return numbers.reduce((most, number) => Math.max(most, number), 0);
  }

  acquire(wanted: WantedListener): number | undefined {
    const { ruleSet } = wanted;
    const content = createHash("sha256").update(wanted.content).digest("hex");
    const listener = this.#byContent.get(content) ?? this.#open({ ...wanted, content });
    if (!listener) return undefined;
    listener.isLeased = true;
    if (JSON.stringify(listener.ruleSet) === JSON.stringify(ruleSet)) return listener.port;
    // The same rules under other numbers.
    listener.ruleSet = ruleSet;
    listener.version = ++this.#version;
    this.#isSaved = false;
    this.#changed.add(listener.port);
    return listener.port;
  }

  release(port: number): void {
    const listener = this.#byPort.get(port);
    if (listener) listener.isLeased = false;
  }

  /** There is a port for it, and it is not another's by right. */
  hasRoom({ ruleSet, namespace }: Omit<WantedListener, "content">): boolean {
    const { direction, kind } = ruleSet;
    const free = this.#pool.free(direction, kind);
    const mayHave = this.#shares.mayHaveOneMore({ ruleSet, namespace }, free);
    return mayHave && this.#pool.hasSome(direction, kind);
  }

  /** Lets go of what neither the compiler has nor a slot in the kernel, by the ports that these refer to. */
  sweep(inKernel: ReadonlySet<number>): void {
    for (const [port, listener] of this.#byPort) {
      if (listener.isLeased || inKernel.has(port)) continue;
      this.#byPort.delete(port);
      this.#byContent.delete(listener.content);
      this.#shares.remove(listener);
      this.#changed.delete(port);
      this.#removed.add(port);
      this.#free(port);
    }
    for (const port of this.#foreign)
      if (!inKernel.has(port) && this.#foreign.delete(port)) this.#free(port);
  }

  /** Before anything in the kernel refers to new ports. What cannot be written is tried again. */
  save(): void {
    if (this.#isSaved) return;
    const listeners = Array.from(
      this.#byPort.values(),
      ({ port, version, content, namespace, ruleSet }) => ({
        port,
        version,
        content,
        namespace,
        ruleSet,
      }),
    );
    try {
      this.#file.write({ listeners, used: [...this.#pool.used], version: this.#version });
      this.#isSaved = true;
      this.#fileError = undefined;
    } catch (error) {
      this.#fileError = (error as Error).message;
    }
  }

  /** What the main thread is to be told; all there is the first time. undefined: nothing. */
  takeUpdate(): WantedRules | undefined {
    const whole = this.#isWhole;
    if (!whole && this.#changed.size + this.#removed.size === 0) return undefined;
    const ports = whole ? [...this.#byPort.keys()] : [...this.#changed];
    const listeners = ports.flatMap((port) => this.#byPort.get(port) ?? []);
    for (const listener of listeners) listener.askedAt ??= this.#now();
    const removed = whole ? [] : [...this.#removed];
    this.#isWhole = false;
    this.#changed.clear();
    this.#removed.clear();
    return {
      whole,
      listeners: listeners.map(({ port, version, ruleSet }) => ({ port, version, ruleSet })),
      removed,
    };
  }

  acknowledge(acks: readonly Acknowledgement[]): void {
    for (const { port, version, problem } of acks) {
      const listener = this.#byPort.get(port);
      if (!listener || listener.version !== version) continue;
      listener.problem = problem;
      if (problem === undefined) listener.isAcknowledged = true;
    }
  }

  /** Slots that send connections there may be put in force. */
  isReady(port: number): boolean {
    const listener = this.#byPort.get(port);
    return !listener || listener.isAcknowledged || this.#isOverdue(listener);
  }

  /** Slots wait for some listener. */
  get isWaiting(): boolean {
    return this.#byPort.values().some((listener) => this.#isWaiting(listener));
  }

  /** Milliseconds until waiting is over for the next listener; undefined: none is waited for. */
  get waitMs(): number | undefined {
    const waits = [...this.#byPort.values()]
      .filter((listener) => this.#isWaiting(listener))
      .map(({ askedAt = 0 }) => askedAt + patienceMs - this.#now());
    return waits.length === 0 ? undefined : Math.max(0, Math.min(...waits));
  }

  /** @param missing rule sets that have no listener */
  conditions(missing: readonly WantedListener[]): Condition[] {
    const file: Condition[] =
      this.#fileError === undefined
        ? []
        : [{ kind: "file", name: "listeners.json", reason: this.#fileError }];
    const scarce = this.#shares.conditions(missing, ({ direction, kind }) =>
      this.#pool.hasSome(direction, kind),
    );
    const listeners = [...this.#byPort.values()]
      .filter(({ isLeased, isAcknowledged, problem }) => isLeased && (!isAcknowledged || problem))
      .map((listener): Condition => {
        const { port, problem, ruleSet } = listener;
        return {
          kind: "listener",
          name: `listener ${port}`,
          reason: problem ?? `no proxy has acknowledged its ${ruleSet.kind} rules`,
          ...(this.#isWaiting(listener) ? { waiting: true } : { denies: true }),
        };
      });
    return [...scarce, ...file, ...listeners];
  }

  #open({ ruleSet, content, namespace }: WantedListener): Listener | undefined {
    if (!this.hasRoom({ ruleSet, namespace })) return undefined;
    const port = this.#pool.take(ruleSet.direction, ruleSet.kind);
    if (port === undefined) return undefined;
    const version = ++this.#version;
    this.#isSaved = false;
    this.#changed.add(port);
    this.#removed.delete(port);
    return this.#add({ port, content, namespace, ruleSet, version, isLeased: true });
  }

  #add(
    fields: Pick<Listener, "port" | "content" | "namespace" | "ruleSet" | "version" | "isLeased">,
  ): Listener {
    const listener = { ...fields, askedAt: undefined, isAcknowledged: false, problem: undefined };
    this.#byPort.set(listener.port, listener);
    this.#byContent.set(listener.content, listener);
    this.#shares.add(listener);
    return listener;
  }

  #free(port: number): void {
    this.#pool.release(port);
    this.#isSaved = false;
  }

  #isWaiting(listener: Listener): boolean {
    return listener.isLeased && !listener.isAcknowledged && !this.#isOverdue(listener);
  }

  #isOverdue({ askedAt }: Listener): boolean {
    return askedAt !== undefined && this.#now() - askedAt >= patienceMs;
  }
}
