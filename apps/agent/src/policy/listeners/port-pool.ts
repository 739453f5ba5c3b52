// Ports for listeners. One that was another rule set's before is used again only when none is left that never was, the
// longest free first, and not while some accepted connection still has it.
import type { Direction, RuleSetKind } from "@tsilium/policy/model.ts";
import { listenerPorts } from "@tsilium/proxy/model.ts";

export type PortPoolOptions = {
  /** Not to be given out. */
  readonly taken: Iterable<number>;
  /** Free, but other rule sets' before: longest free first. */
  readonly used: Iterable<number>;
  /** Those that connections of proxies have; costly to ask. */
  readonly acceptedPorts: () => ReadonlySet<number>;
  /** Milliseconds from a fixed point on. */
  readonly now: () => number;
};

type Range = { readonly first: number; readonly last: number };

/** A port that was accepted is taken for so as long, unless others were released meanwhile: only then may one become so. */
const rememberedMs = 1_000;

export class PortPool {
  readonly #taken: Set<number>;
  /** Free, longest first. */
  readonly #used: Set<number>;
  readonly #acceptedPorts: () => ReadonlySet<number>;
  readonly #now: () => number;
  /** How many of a range are taken. */
  readonly #counts = new Map<Range, number>();
  #accepted: { readonly ports: ReadonlySet<number>; readonly at: number } | undefined;

  constructor({ taken, used, acceptedPorts, now }: PortPoolOptions) {
    this.#taken = new Set(taken);
    this.#used = new Set(used);
    for (const port of this.#taken) {
      this.#used.delete(port);
      this.#count(port, 1);
    }
    this.#acceptedPorts = acceptedPorts;
    this.#now = now;
  }

  get used(): Iterable<number> {
    return this.#used;
  }

  /** undefined: all are in use. */
  take(direction: Direction, kind: RuleSetKind): number | undefined {
    const port = this.#next(listenerPorts[direction][kind]);
    if (port === undefined) return undefined;
    this.#used.delete(port);
    this.#taken.add(port);
    this.#count(port, 1);
    return port;
  }

  release(port: number): void {
    if (!this.#taken.delete(port)) return;
    this.#used.add(port);
    this.#count(port, -1);
    this.#accepted = undefined;
  }

  /** `take` would answer a port. */
  hasSome(direction: Direction, kind: RuleSetKind): boolean {
    return this.#next(listenerPorts[direction][kind]) !== undefined;
  }

  /** How many are not taken, those included that connections still have. */
  free(direction: Direction, kind: RuleSetKind): number {
    const range = listenerPorts[direction][kind];
    return sizeOf(range) - (this.#counts.get(range) ?? 0);
  }

  #next(range: Range): number | undefined {
    if ((this.#counts.get(range) ?? 0) === sizeOf(range)) return undefined;
    return this.#fresh(range) ?? this.#again(range);
  }

  #fresh({ first, last }: Range): number | undefined {
    for (let port = first; port <= last; port++)
      if (!this.#taken.has(port) && !this.#used.has(port)) return port;
    return undefined;
  }

  #again({ first, last }: Range): number | undefined {
    const free = [...this.#used].filter((port) => port >= first && port <= last);
    if (free.length === 0) return undefined;
    const accepted = this.#readAccepted();
    return free.find((port) => !accepted.has(port));
  }

  /** Nothing is sent to a free port, so that connections only go from it. */
  #readAccepted(): ReadonlySet<number> {
    const now = this.#now();
    if (!this.#accepted || now - this.#accepted.at >= rememberedMs)
      this.#accepted = { ports: this.#acceptedPorts(), at: now };
    return this.#accepted.ports;
  }

  #count(port: number, change: number): void {
    const range = ranges.find(({ first, last }) => port >= first && port <= last);
    if (range) this.#counts.set(range, (this.#counts.get(range) ?? 0) + change);
  }
}

const ranges: readonly Range[] = Object.values(listenerPorts).flatMap((kinds) =>
  Object.values(kinds),
);

/** How many listeners of a kind a node can have. */
export function portCount(direction: Direction, kind: RuleSetKind): number {
  return sizeOf(listenerPorts[direction][kind]);
}

/** Every port that a listener can have. */
export function allPorts(): number[] {
  return ranges.flatMap((range) =>
    Array.from({ length: sizeOf(range) }, (_, at) => range.first + at),
  );
}

function sizeOf({ first, last }: Range): number {
  return last - first + 1;
}
