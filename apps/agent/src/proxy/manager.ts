// All proxies of a node: rule sets go to the process that enforces their kind and direction, each of which is started when
// the first rule set needs it. What nobody can enforce is acknowledged as that: packets find no listener, and are dropped.
import type { MovedConnection } from "@tsilium/proxy/model.ts";
import {
  type Acknowledgement,
  type SeatName,
  type SeatView,
  seatNames,
  seatOf,
  seatOfPort,
  type SeatReport,
  type WantedRules,
} from "./model.ts";
import type { Seat } from "./seat.ts";

export type ProxyManagerOptions = {
  /** Makes the seat of that name; called once each. */
  readonly makeSeat: (
    name: SeatName,
    onAcknowledged: (acks: readonly Acknowledgement[]) => void,
  ) => Seat;
  /** Told of every listener that holds what was wanted, or is known to let nothing through. */
  readonly onAcknowledged: (acks: readonly Acknowledgement[]) => void;
};

export class ProxyManager implements AsyncDisposable {
  readonly #options: ProxyManagerOptions;
  readonly #seats: ReadonlyMap<SeatName, Seat>;
  /** Whose listener each port is. */
  readonly #owners = new Map<number, SeatName>();

  constructor(options: ProxyManagerOptions) {
    this.#options = options;
    this.#seats = new Map(
      seatNames.map((name) => [name, options.makeSeat(name, options.onAcknowledged)]),
    );
  }

  /** Changes what is to be enforced. The first time is `whole`: until then processes go on with what they have. */
  want(wanted: WantedRules): void {
    const orphans = wanted.listeners.filter(({ ruleSet }) => seatOf(ruleSet) === undefined);
    for (const name of seatNames) {
      const listeners = wanted.listeners.filter(({ ruleSet }) => seatOf(ruleSet) === name);
      const removed = wanted.removed.filter((port) => this.#owners.get(port) === name);
      for (const port of removed) this.#owners.delete(port);
      for (const { port } of listeners) this.#owners.set(port, name);
      if (wanted.whole || listeners.length > 0 || removed.length > 0)
        this.#seats.get(name)?.want({ whole: wanted.whole, listeners, removed });
    }
    if (orphans.length === 0) return;
    this.#options.onAcknowledged(
      orphans.map(({ port, version, ruleSet: { kind, direction } }) => ({
        port,
        version,
        problem: `rules of ${kind} are not enforced for ${direction}`,
      })),
    );
  }

  /** Resolves when these connections are held to their new rules, or are no more. */
  async move(connections: readonly MovedConnection[]): Promise<void> {
    const bySeat = Map.groupBy(connections, ({ from }) => this.#ownerOf(from));
    await Promise.all(
      [...bySeat].map(([name, moved]) => name && this.#seats.get(name)?.move(moved)),
    );
  }

  reports(): SeatReport[] {
    return [...this.#seats.values()].map((seat) => seat.report());
  }

  /** Reports with what the processes say themselves. */
  views(): Promise<SeatView[]> {
    return Promise.all([...this.#seats.values()].map((seat) => seat.view()));
  }

  /** Processes go on with what they have. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#seats.values()].map((seat) => seat[Symbol.asyncDispose]()));
  }

  /** Also of a listener whose rule set is gone: the ranges of ports say. */
  #ownerOf(port: number): SeatName | undefined {
    return this.#owners.get(port) ?? seatOfPort(port);
  }
}
