// Ports for listeners. One that was another rule set's before is used again only when none is left that never was, the
// longest free first, and not while some accepted connection still has it.
import type { Direction, RuleSetKind } from "@tsilium/policy/model.ts";
import { listenerPorts } from "@tsilium/proxy/model.ts";

export class PortPool {
  /** Not to be given out. */
  readonly #taken: Set<number>;
  /** Free, longest first. */
  readonly #used: Set<number>;
  readonly #acceptedPorts: () => ReadonlySet<number>;

  /** @param acceptedPorts those that connections of proxies have; costly to ask */
  constructor(
    taken: Iterable<number>,
    used: Iterable<number>,
    acceptedPorts: () => ReadonlySet<number>,
  ) {
    this.#taken = new Set(taken);
    this.#used = new Set(used);
    for (const port of this.#taken) this.#used.delete(port);
    this.#acceptedPorts = acceptedPorts;
  }

  get used(): Iterable<number> {
    return this.#used;
  }

  /** undefined: all are in use. */
  take(direction: Direction, kind: RuleSetKind): number | undefined {
    const port = this.#fresh(direction, kind) ?? this.#again(direction, kind);
    if (port === undefined) return undefined;
    this.#used.delete(port);
    this.#taken.add(port);
    return port;
  }

  release(port: number): void {
    if (this.#taken.delete(port)) this.#used.add(port);
  }

  #fresh(direction: Direction, kind: RuleSetKind): number | undefined {
    const { first, last } = listenerPorts[direction][kind];
    for (let port = first; port <= last; port++)
      if (!this.#taken.has(port) && !this.#used.has(port)) return port;
    return undefined;
  }

  #again(direction: Direction, kind: RuleSetKind): number | undefined {
    const { first, last } = listenerPorts[direction][kind];
    const free = [...this.#used].filter((port) => port >= first && port <= last);
    if (free.length === 0) return undefined;
    const accepted = this.#acceptedPorts();
    return free.find((port) => !accepted.has(port));
  }
}

/** Every port that a listener can have. */
export function allPorts(): number[] {
  return Object.values(listenerPorts)
    .flatMap((kinds) => Object.values(kinds))
    .flatMap(({ first, last }) => Array.from({ length: last - first + 1 }, (_, at) => first + at));
}
