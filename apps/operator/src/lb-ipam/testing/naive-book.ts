// The book's slow, obvious twin: no indexes, no cursors; it looks at every service and at every address of every pool,
// every time. For small pools.
import { Address, type Prefix } from "@tsilium/net";
import { byAge } from "../age.ts";
import { conflictsOf } from "../conflicts.ts";
import type { Pool, Present, ServiceRequest } from "../model.ts";
import { incompatibility } from "../sharing.ts";

type Row = {
  request: ServiceRequest;
  held: string[];
  arrived: Present | undefined;
  dirty: boolean;
};

export class NaiveBook {
  pools: readonly Pool[] = [];
  poolsChanged = false;
  readonly reserved = new Map<string, readonly string[]>();
  readonly prefixes = new Map<string, readonly Prefix[]>();
  readonly rows = new Map<string, Row>();

  setService(request: ServiceRequest, present: Present): void {
    const row = this.rows.get(request.name);
    if (row) Object.assign(row, { request, dirty: true });
    else this.rows.set(request.name, { request, held: [], arrived: present, dirty: true });
  }

  settle(): void {
    const all = [...this.rows.values()].sort((a, b) => byAge(a.request, b.request));
    const changed = all.filter(({ dirty }) => dirty || this.poolsChanged);
    const others = all.filter((row) => !changed.includes(row));
    for (const row of [...changed.toReversed(), ...others])
      for (const text of row.held) if (!this.#mayKeep(row, text)) this.#drop(row, text);
    for (const row of all)
      for (const address of row.arrived?.addresses ?? []) {
        const pooled = row.arrived?.given || this.#offered(row.request).includes(String(address));
        if (pooled && this.#mayKeep(row, String(address))) this.#add(row, String(address));
      }
    for (const row of all) this.#give(row);
    for (const row of all) Object.assign(row, { arrived: undefined, dirty: false });
    this.poolsChanged = false;
  }

  /** "name: addresses" per service, "pool: total used available" per pool. */
  lines(): string[] {
    return [
      ...[...this.rows].map(([name, { held }]) => `${name}: ${held.join(" ")}`),
      ...this.pools.map((pool) => `${pool.name}: ${this.#countsOf(pool).join(" ")}`),
    ].sort();
  }

  /** A pool whose ranges overlap counts addresses as often as it has them. */
  #countsOf(pool: Pool): number[] {
    const used = new Set([...this.rows.values()].flatMap(({ held }) => held));
    const counts = pool.ranges.map((range) => {
      const one = { ...pool, ranges: [range] };
      const open = openOf(one);
      const mine = everyOf(one).filter((text) => used.has(text));
      const ends = mine.filter((text) => !open.includes(text));
      const free = open.filter((text) => !used.has(text) && !this.#isReserved(text));
      return [open.length + ends.length, mine.length, free.length];
    });
    return [0, 1, 2].map((at) => counts.reduce((sum, count) => sum + (count[at] ?? 0), 0));
  }

  #mayKeep({ request }: Row, text: string): boolean {
    const address = Address.parse(text);
    const named = request.requested.map(String);
    const isNamed = named.length === 0 || request.unreadable.length > 0 || named.includes(text);
    return (
      request.families.includes(address.family) &&
      isNamed &&
      !this.#isReserved(text) &&
      this.pools.some((pool) => everyOf(pool).includes(text) && pool.selects(request.labels)) &&
      this.#isShareable(request, text)
    );
  }

  #isReserved(text: string): boolean {
    const address = Address.parse(text);
    return (
      [...this.reserved.values()].flat().includes(text) ||
      [...this.prefixes.values()].flat().some((prefix) => prefix.contains(address))
    );
  }

  #isShareable(request: ServiceRequest, text: string): boolean {
    return [...this.rows.values()].every(
      (other) =>
        other.request.name === request.name ||
        !other.held.includes(text) ||
        incompatibility(request, other.request) === undefined,
    );
  }

  /** What pools give to a service, taken or not, in order of use. */
  #offered(request: ServiceRequest): string[] {
    const conflicts = conflictsOf(this.pools);
    return this.pools
      .toSorted(byAge)
      .filter(({ name, disabled }) => !disabled && !conflicts.has(name))
      .filter((pool) => pool.selects(request.labels))
      .flatMap(openOf)
      .filter((text) => !this.#isReserved(text));
  }

  #give(row: Row): void {
    const { request } = row;
    const offered = this.#offered(request);
    const isFamily = (family: number) => (text: string) => Address.parse(text).family === family;
    if (request.requested.length + request.unreadable.length > 0) {
      for (const text of request.requested.map(String)) {
        const mine = request.families.includes(Address.parse(text).family);
        if (mine && offered.includes(text) && this.#isShareable(request, text))
          this.#add(row, text);
      }
      return;
    }
    for (const family of request.families) {
      if (row.held.some(isFamily(family))) continue;
      const candidates = offered.filter(isFamily(family));
      const shared = candidates
        .filter((text) => this.#holdersOf(text).length > 0 && this.#isShareable(request, text))
        .sort((a, b) => Address.parse(a).compare(Address.parse(b)));
      const text = shared[0] ?? candidates.find((each) => this.#holdersOf(each).length === 0);
      if (text !== undefined) this.#add(row, text);
    }
  }

  #holdersOf(text: string): Row[] {
    return [...this.rows.values()].filter(({ held }) => held.includes(text));
  }

  #add(row: Row, text: string): void {
    if (!row.held.includes(text)) row.held = [...row.held, text];
  }

  #drop(row: Row, text: string): void {
    row.held = row.held.filter((held) => held !== text);
  }
}

function everyOf({ ranges }: Pool): string[] {
  return ranges.flatMap(({ family, first, last }) =>
    Array.from({ length: Number(last - first) + 1 }, (_, at) =>
      Address.fromBigInt(first + BigInt(at), family).toString(),
    ),
  );
}

function openOf(pool: Pool): string[] {
  return pool.ranges.flatMap((range) => {
    const every = everyOf({ ...pool, ranges: [range] });
    return range.endsReserved ? every.slice(1, -1) : every;
  });
}
