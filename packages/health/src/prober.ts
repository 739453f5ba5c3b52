// Probes every node again and again, each in its own time: what a node adds to the load is spread over the interval by
// itself, since each is asked first at another moment.
//
//   targets --set--> per node: wait --> icmp + http of every address --> results --> wait (interval by cluster size)
// A node that is new and silent is asked again sooner, twice.
import { carriedOver, nextProbeMs, probeIntervalMs, sameTarget } from "./decide.ts";
import type { HealthTarget, NodeHealth, PathHealth, ProbeResult, Protocol } from "./model.ts";
import type { Address } from "@tsilium/net";

export type Probe = (address: Address, signal: AbortSignal) => Promise<ProbeResult>;

export type ProberOptions = {
  readonly probes: Readonly<Record<Protocol, Probe>>;
  /** See probeIntervalMs. */
  readonly baseIntervalMs: number;
  /** Told of each node that was probed. */
  readonly onProbed?: (node: NodeHealth) => void;
};

type Entry = {
  target: HealthTarget;
  health: NodeHealth;
  timer: NodeJS.Timeout | undefined;
  /** How often, since it was new or got new addresses. */
  asked: number;
};

/** Nodes that are asked at the same time, at most. */
const atOnce = 16;
/** A node that is new is asked within this time, some milliseconds more for each node there is. */
const firstDelayMs = 200;
const firstDelayPerNodeMs = 10;
/** Two probes of a node are apart by the interval, more or less this share of it. */
const jitter = 0.1;

export class HealthProber implements Disposable {
  readonly #options: ProberOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #ending = new AbortController();
  readonly #waiting: (() => void)[] = [];
  #running = 0;
  #lastProbedAt: Date | undefined;

  constructor(options: ProberOptions) {
    this.#options = options;
  }

  /** Every node with what came of its last probes, by name. */
  get nodes(): readonly NodeHealth[] {
    return Array.from(this.#entries.values(), ({ health }) => health).toSorted((a, b) =>
      a.name < b.name ? -1 : 1,
    );
  }

  /** When the last probe ended. */
  get lastProbedAt(): Date | undefined {
    return this.#lastProbedAt;
  }

  get intervalMs(): number {
    return probeIntervalMs(this.#options.baseIntervalMs, this.#entries.size);
  }

  /** Adds a node, or changes where it is asked; soon it is. Nothing happens when nothing differs. */
  set(target: HealthTarget): void {
    const entry = this.#entries.get(target.name);
    if (entry && sameTarget(entry.target, target)) return;
    const health = carriedOver(target, entry?.health);
    if (entry) {
      entry.target = target;
      entry.health = health;
      entry.asked = 0;
      this.#schedule(entry, this.#firstDelay());
    } else {
      const added: Entry = { target, health, timer: undefined, asked: 0 };
      this.#entries.set(target.name, added);
      this.#schedule(added, this.#firstDelay());
    }
  }

  delete(name: string): void {
    clearTimeout(this.#entries.get(name)?.timer);
    this.#entries.delete(name);
  }

  /** Asks every node now; resolves when all have answered or not. @throws the signal's reason */
  async probeAll(signal: AbortSignal): Promise<void> {
    const both = AbortSignal.any([signal, this.#ending.signal]);
    await Promise.all(Array.from(this.#entries.values(), (entry) => this.#probe(entry, both)));
    signal.throwIfAborted();
  }

  [Symbol.dispose](): void {
    this.#ending.abort(new Error("probing ends"));
    for (const { timer } of this.#entries.values()) clearTimeout(timer);
    this.#entries.clear();
  }

  #firstDelay(): number {
    return Math.random() * (firstDelayMs + firstDelayPerNodeMs * this.#entries.size);
  }

  #schedule(entry: Entry, delayMs: number): void {
    if (this.#ending.signal.aborted) return;
    clearTimeout(entry.timer);
    entry.timer = setTimeout(() => {
      const { target } = entry;
      void this.#probe(entry, this.#ending.signal).finally(() => {
        // With new addresses meanwhile it is to be asked soon already.
        if (this.#entries.get(target.name) !== entry || entry.target !== target) return;
        const delayMs = nextProbeMs(entry.health, ++entry.asked, this.intervalMs);
        this.#schedule(entry, delayMs * (1 + jitter * (2 * Math.random() - 1)));
      });
    }, delayMs).unref();
  }

  async #probe(entry: Entry, signal: AbortSignal): Promise<void> {
    await this.#turn();
    try {
      const { target } = entry;
      const [host, endpoint] = await Promise.all([
        this.#paths(target.host, signal),
        this.#paths(target.endpoint, signal),
      ]);
      const isCurrent = this.#entries.get(target.name) === entry && entry.target === target;
      if (signal.aborted || !isCurrent) return;
      entry.health = { ...entry.health, host, endpoint };
      this.#lastProbedAt = new Date();
      this.#options.onProbed?.(entry.health);
    } finally {
      this.#running--;
      this.#waiting.shift()?.();
    }
  }

  async #turn(): Promise<void> {
    while (this.#running >= atOnce) await new Promise<void>((go) => this.#waiting.push(go));
    this.#running++;
  }

  #paths(addresses: readonly Address[], signal: AbortSignal): Promise<PathHealth[]> {
    const { icmp, http } = this.#options.probes;
    return Promise.all(
      addresses.map(async (address) => {
        const [echo, answer] = await Promise.all([icmp(address, signal), http(address, signal)]);
        return { address, icmp: echo, http: answer };
      }),
    );
  }
}
