// What the pods of a node learned of names: an entry for each address of each name, for each endpoint that asked.
//
//   valid --time over--> expired --look: connected--> kept while it is
//                           \----- look: quiet ------> gone at the next look that finds it so, a round later
//
// It has no clock. Everything is bounded; what goes first: entries whose time is over and that nobody uses, then those
// that were not looked at yet, names that no selector matches, the rest, and those with a connection last. Among equals
// the one that was looked up longest ago.
import type { Address } from "@tsilium/net";
import type { CacheLimits, Collected, Lookup, NameEntry } from "./model.ts";
import { unmapped } from "./refusal.ts";

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };
type Entry = Mutable<NameEntry> & {
  /** Since which look its time has been over and nobody was connected. */
  quietSinceMs: number | undefined;
  /** `expiresMs` as it was last handed out to be written down. */
  recordedMs: number;
};
type Names = Map<string, Map<string, Entry>>;
type EndpointNames = {
  readonly id: number;
  readonly names: Names;
  size: number;
};

export type Observed = {
  /** Addresses that have a name that they did not have. */
  readonly addresses: readonly string[];
  /** Entries to be written down: new ones, and those that last much longer now. */
  readonly news: readonly NameEntry[];
};

/** An entry is written down again when it lasts so much longer than what is written. */
const worthRecordingMs = 30_000;
/** How much goes at a time when there is too much, so that finding it costs little each. */
const trimShare = 1 / 16;
/** Names of one answer. */
const mostAliases = 16;

export class NameCache {
  readonly #limits: CacheLimits;
  readonly #isWanted: (name: string) => boolean;
  readonly #endpoints = new Map<number, EndpointNames>();
  readonly #addresses = new Map<string, Set<Entry>>();
  #size = 0;
  #evicted = 0;
  /** Entries that went since `takeRemoved`. */
  #removed: NameEntry[] = [];

  /** @param isWanted whether some selector matches a name */
  constructor(limits: CacheLimits, isWanted: (name: string) => boolean) {
    this.#limits = limits;
    this.#isWanted = isWanted;
  }

  get size(): number {
    return this.#size;
  }

  /** Entries that went for want of room before their time, since the start. */
  get evicted(): number {
    return this.#evicted;
  }

  /** Takes an answer in. */
  observe(lookup: Lookup, nowMs: number): Observed {
    const { endpoint, name, aliases, atMs } = lookup;
    const addresses = new Set<string>();
    const news: NameEntry[] = [];
    const rows = lookup.addresses.slice(0, this.#limits.addressesPerName);
    const lookedUpMs = Math.min(atMs, nowMs);
    for (const known of new Set([name, ...aliases.slice(0, mostAliases)])) {
      for (const { address, ttlS } of rows) {
        const ttl = this.#ttl(ttlS);
        const asked = known === name;
        const entry = {
          endpoint,
          name: known,
          address: unmapped(address).toString(),
          asked,
          aliases: asked ? aliases.slice(0, mostAliases) : [],
          lookedUpMs,
          ttlS: ttl,
          expiresMs: lookedUpMs + ttl * 1000,
        };
        if (this.#put(entry)) addresses.add(entry.address);
        const stored = this.#get(entry);
        if (!stored || stored.expiresMs - stored.recordedMs < worthRecordingMs) continue;
        stored.recordedMs = stored.expiresMs;
        news.push({ ...stored });
      }
      this.#boundName(endpoint, known, lookedUpMs, nowMs);
    }
    this.#bound(endpoint, nowMs);
    return { addresses: [...addresses], news };
  }

  /** Takes an entry in as it was. Answers whether its address did not have that name before. */
  restore(entry: Omit<NameEntry, "connected">, nowMs: number): boolean {
    const isNew = this.#put(entry);
    const stored = this.#get(entry);
    if (stored) stored.recordedMs = stored.expiresMs;
    this.#bound(entry.endpoint, nowMs);
    return isNew;
  }

  /** Addresses whose time is over for some name: those to look for among connections. */
  expired(nowMs: number): Set<string> {
    const found = new Set<string>();
    for (const entry of this.#entries()) if (entry.expiresMs <= nowMs) found.add(entry.address);
    return found;
  }

  /**
   * A look at everything whose time is over.
   * @param connected addresses that some connection of this node leads to, of those that `expired` told
   * @param graceMs how long nobody must have been connected
   */
  collect(nowMs: number, connected: ReadonlySet<string>, graceMs: number): Collected {
    const names = new Set<string>();
    let expired = 0;
    let givenUp = 0;
    for (const endpoint of this.#endpoints.values().toArray()) {
      const deferred: Entry[] = [];
      for (const entry of entriesOf(endpoint).toArray()) {
        const isOver = entry.expiresMs <= nowMs;
        entry.connected = isOver && connected.has(entry.address);
        if (!isOver || entry.connected) entry.quietSinceMs = undefined;
        if (!isOver) continue;
        if (!entry.connected) entry.quietSinceMs ??= nowMs;
        if (entry.quietSinceMs !== undefined && nowMs - entry.quietSinceMs >= graceMs) {
          this.#remove(entry);
          names.add(`${entry.endpoint} ${entry.name}`);
          expired++;
        } else deferred.push(entry);
      }
      const excess = deferred.length - this.#limits.deferredPerEndpoint;
      if (excess <= 0) continue;
      for (const entry of this.#worst(deferred, nowMs).slice(0, excess)) {
        this.#remove(entry);
        names.add(`${entry.endpoint} ${entry.name}`);
        if (entry.connected) givenUp++;
        else expired++;
      }
    }
    return { names: names.size, expired, givenUp };
  }

  /** Forgets every entry that `isMeant`, and answers how many. */
  clean(isMeant: (entry: NameEntry) => boolean): number {
    const found = [...this.#entries()].filter(isMeant);
    for (const entry of found) this.#remove(entry);
    return found.length;
  }

  /** Entries that went since the last call, whatever for. */
  takeRemoved(): readonly NameEntry[] {
    const removed = this.#removed;
    this.#removed = [];
    return removed;
  }

  /** Forgets one entry; for what an earlier agent wrote down. */
  forget(entry: Pick<NameEntry, "endpoint" | "name" | "address">): void {
    const found = this.#get(entry);
    if (found) this.#remove(found);
  }

  /** Every entry, by endpoint and name. A live view: its objects change with the cache. */
  entries(): Generator<NameEntry, void> {
    return this.#entries();
  }

  /** All that is known of an address. */
  *ofAddress(address: string): Generator<NameEntry, void> {
    yield* this.#addresses.get(address) ?? [];
  }

  /** Every address that has a name. */
  addresses(): MapIterator<string> {
    return this.#addresses.keys();
  }

  *#entries(): Generator<Entry, void> {
    for (const endpoint of this.#endpoints.values()) yield* entriesOf(endpoint);
  }

  #ttl(ttlS: number): number {
    const { minTtlS, maxTtlS } = this.#limits;
    // RFC 2181, 8: one with its highest bit set counts as 0.
    const told = ttlS >= 0 && ttlS < 2 ** 31 ? Math.trunc(ttlS) : 0;
    return Math.max(Math.min(told, maxTtlS), minTtlS);
  }

  #get({ endpoint, name, address }: Pick<Entry, "endpoint" | "name" | "address">) {
    return this.#endpoints.get(endpoint)?.names.get(name)?.get(address);
  }

  /** True when it is new. */
  #put(entry: Omit<NameEntry, "connected">): boolean {
    const known = this.#get(entry);
    if (known) {
      known.quietSinceMs = undefined;
      known.connected = false;
      known.expiresMs = Math.max(known.expiresMs, entry.expiresMs);
      if (entry.lookedUpMs >= known.lookedUpMs) {
        known.lookedUpMs = entry.lookedUpMs;
        known.ttlS = entry.ttlS;
        if (entry.asked) known.aliases = entry.aliases;
      }
      known.asked ||= entry.asked;
      return false;
    }
    const added = { ...entry, connected: false, quietSinceMs: undefined, recordedMs: -Infinity };
    const { endpoint: id, name, address } = entry;
    const endpoint = this.#endpoints.get(id) ?? { id, names: new Map(), size: 0 };
    this.#endpoints.set(id, endpoint);
    const ofName = endpoint.names.get(name) ?? new Map<string, Entry>();
    endpoint.names.set(name, ofName.set(address, added));
    const ofAddress = this.#addresses.get(address) ?? new Set();
    this.#addresses.set(address, ofAddress.add(added));
    endpoint.size++;
    this.#size++;
    return true;
  }

  #remove(entry: Entry): void {
    const { endpoint: id, name, address } = entry;
    const endpoint = this.#endpoints.get(id);
    const ofName = endpoint?.names.get(name);
    if (!endpoint || !ofName?.delete(address)) return;
    if (ofName.size === 0) endpoint.names.delete(name);
    endpoint.size--;
    this.#size--;
    if (endpoint.size === 0) this.#endpoints.delete(id);
    const ofAddress = this.#addresses.get(address);
    ofAddress?.delete(entry);
    if (ofAddress?.size === 0) this.#addresses.delete(address);
    this.#removed.push(entry);
  }

  /** Of too many addresses of one name those that were told longest ago are over now. */
  #boundName(endpoint: number, name: string, justNowMs: number, nowMs: number): void {
    const most = this.#limits.addressesPerName;
    const ofName = this.#endpoints.get(endpoint)?.names.get(name);
    if (!ofName || ofName.size <= most) return;
    const valid = [...ofName.values()].filter(({ expiresMs }) => expiresMs > nowMs);
    if (valid.length <= most) return;
    const older = valid.filter(({ lookedUpMs }) => lookedUpMs < justNowMs).sort(oldestFirst);
    const rest = valid.filter(({ lookedUpMs }) => lookedUpMs >= justNowMs);
    for (const entry of [...older, ...rest].slice(0, valid.length - most)) entry.expiresMs = nowMs;
  }

  #bound(id: number, nowMs: number): void {
    const { entriesPerEndpoint, entries } = this.#limits;
    const endpoint = this.#endpoints.get(id);
    if (endpoint && endpoint.size > entriesPerEndpoint)
      this.#trim(endpoint, entriesPerEndpoint, nowMs);
    while (this.#size > entries) {
      const largest = [...this.#endpoints.values()].reduce((a, b) => (b.size > a.size ? b : a));
      this.#trim(largest, largest.size - 1, nowMs);
    }
  }

  #trim(endpoint: EndpointNames, most: number, nowMs: number): void {
    const excess = endpoint.size - Math.floor(most * (1 - trimShare));
    const worst = this.#worst([...entriesOf(endpoint)], nowMs).slice(0, excess);
    for (const entry of worst) {
      if (entry.connected || entry.expiresMs > nowMs) this.#evicted++;
      this.#remove(entry);
    }
  }

  /** In the order in which they go. */
  #worst(entries: readonly Entry[], nowMs: number): Entry[] {
    const ranked = entries.map((entry) => ({ entry, rank: this.#rank(entry, nowMs) }));
    ranked.sort((a, b) => a.rank - b.rank || oldestFirst(a.entry, b.entry));
    return ranked.map(({ entry }) => entry);
  }

  #rank({ quietSinceMs, connected, expiresMs, name }: Entry, nowMs: number): number {
    if (quietSinceMs !== undefined) return 0;
    if (connected) return 4;
    if (expiresMs <= nowMs) return 1;
    return this.#isWanted(name) ? 3 : 2;
  }
}

function* entriesOf({ names }: EndpointNames): Generator<Entry, void> {
  for (const ofName of names.values()) yield* ofName.values();
}

function oldestFirst(a: Entry, b: Entry): number {
  return (
    a.lookedUpMs - b.lookedUpMs ||
    a.expiresMs - b.expiresMs ||
    compareText(a.name, b.name) ||
    compareText(a.address, b.address)
  );
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The text of an address as entries have it. */
export function addressKey(address: Address): string {
  return unmapped(address).toString();
}
