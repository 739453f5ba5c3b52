// What addresses are because of their names: the cache, the selectors in force and what is refused, brought together.
//
//   lookups --> cache --\
//   selectors -----------> for each address touched: selectors of all its names --takeChanges--> identities
//   what is refused ----/
//
// Node-wide, as identities are: whoever of the node's pods learned a name, every pod whose policy allows the name may
// use the address. The name asked for counts, and so does every alias on the way to the address.
import { Address, type Prefix } from "@tsilium/net";
import { NameCache } from "./cache.ts";
import type {
  AddressChange,
  CacheLimits,
  Collected,
  FqdnSelector,
  Lookup,
  NameEntry,
  Refusal,
  RefusalReason,
  SharedAddress,
} from "./model.ts";
import { SelectorIndex } from "./selector-index.ts";

export type NameBookOptions = {
  readonly limits: CacheLimits;
  /** Asked again for every address that `recheck` or `recheckAll` is told of. */
  readonly refuse: (address: Address) => RefusalReason | undefined;
};

/** What an address was last told to be. */
type Told = { readonly selectors: readonly string[]; readonly name: string };

export class NameBook {
  readonly #refuse: NameBookOptions["refuse"];
  readonly #cache: NameCache;
  #index = new SelectorIndex([]);
  /** Selectors of names; made again when selectors change. */
  readonly #matched = new Map<string, readonly string[]>();
  readonly #dirty = new Set<string>();
  #removed: NameEntry[] = [];
  readonly #told = new Map<string, Told>();
  readonly #refused = new Map<string, Refusal>();
  readonly #shared = new Map<string, SharedAddress>();

  constructor({ limits, refuse }: NameBookOptions) {
    this.#refuse = refuse;
    this.#cache = new NameCache(limits, (name) => this.#selectorsOf(name).length > 0);
  }

  /** Keys of the selectors in force, sorted. */
  get selectors(): readonly string[] {
    return this.#index.keys;
  }

  get size(): number {
    return this.#cache.size;
  }

  get evicted(): number {
    return this.#cache.evicted;
  }

  /** Addresses that are refused now although a selector matches their name, by their text. */
  get refused(): ReadonlyMap<string, Refusal> {
    return this.#refused;
  }

  /** Addresses that names share of which selectors match some, by their text. */
  get shared(): ReadonlyMap<string, SharedAddress> {
    return this.#shared;
  }

  /** Every selector that some policy has, in place of those before. False when they are the same. */
  setSelectors(selectors: readonly FqdnSelector[]): boolean {
    const index = new SelectorIndex(selectors);
    const before = this.#index.keys;
    if (before.length === index.keys.length && before.every((key, at) => key === index.keys[at]))
      return false;
    const matched = new Map(this.#matched);
    this.#index = index;
    this.#matched.clear();
    for (const { name, address } of this.#cache.entries())
      if (matched.get(name)?.join() !== this.#selectorsOf(name).join()) this.#dirty.add(address);
    return true;
  }

  /** Takes an answer in; answers what is to be written down. */
  observe(lookup: Lookup, nowMs: number): readonly NameEntry[] {
    const { addresses, news } = this.#cache.observe(lookup, nowMs);
    this.#touch(addresses);
    return news;
  }

  /** Takes an entry in that an earlier agent wrote down. */
  restore(entry: Omit<NameEntry, "connected">, nowMs: number): void {
    this.#cache.restore(entry, nowMs);
    this.#touch([entry.address]);
  }

  /** Takes back an entry of `restore`'s. */
  forget(entry: Pick<NameEntry, "endpoint" | "name" | "address">): void {
    this.#cache.forget(entry);
    this.#touch([]);
  }

  /** Addresses that are to be looked for among connections before the next `collect`. */
  expired(nowMs: number): Set<string> {
    return this.#cache.expired(nowMs);
  }

  /** Lets go of what is over (NameCache#collect). */
  collect(nowMs: number, connected: ReadonlySet<string>, graceMs: number): Collected {
    const collected = this.#cache.collect(nowMs, connected, graceMs);
    this.#touch([]);
    return collected;
  }

  /** Forgets entries, connected or not; answers how many. */
  clean(isMeant: (entry: NameEntry) => boolean): number {
    const cleaned = this.#cache.clean(isMeant);
    this.#touch([]);
    return cleaned;
  }

  /** Has addresses inside a prefix judged again: somebody of the cluster came to have it, or gave it up. */
  recheck(prefix: Prefix): void {
    if (prefix.isHost) {
      const text = prefix.address.toString();
      if (this.#isKnown(text)) this.#dirty.add(text);
      return;
    }
    for (const text of this.#cache.addresses())
      if (prefix.contains(Address.parse(text))) this.#dirty.add(text);
  }

  recheckAll(): void {
    for (const text of this.#cache.addresses()) this.#dirty.add(text);
  }

  /** What addresses are that were something else at the last call, and all those that were judged. */
  takeChanges(): {
    readonly changes: readonly AddressChange[];
    readonly judged: readonly string[];
  } {
    const changes: AddressChange[] = [];
    const judged = [...this.#dirty];
    this.#dirty.clear();
    for (const text of judged) {
      const address = Address.parse(text);
      const now = this.#decide(address, text);
      const before = this.#told.get(text);
      if (before?.selectors.join() === now?.selectors.join()) continue;
      if (now) this.#told.set(text, now);
      else this.#told.delete(text);
      changes.push({ address, selectors: now?.selectors, name: now?.name });
    }
    return { changes, judged };
  }

  /** Entries that went since the last call, to be written down. */
  takeRemoved(): readonly NameEntry[] {
    const removed = this.#removed;
    this.#removed = [];
    return removed;
  }

  /** Selectors that an address was last told to have. */
  selectorsOf(address: string): readonly string[] {
    return this.#told.get(address)?.selectors ?? [];
  }

  /** Names of an address, as one endpoint, or any, learned them; those asked for first. */
  namesOf(address: string, endpoint?: number): string[] {
    const entries = [...this.#cache.ofAddress(address)].filter(
      (entry) => endpoint === undefined || entry.endpoint === endpoint,
    );
    const asked = entries.filter((entry) => entry.asked);
    return [...new Set((asked.length > 0 ? asked : entries).map(({ name }) => name))].sort();
  }

  entries(): Generator<NameEntry, void> {
    return this.#cache.entries();
  }

  #isKnown(text: string): boolean {
    return this.#told.has(text) || !this.#cache.ofAddress(text).next().done;
  }

  #touch(addresses: Iterable<string>): void {
    for (const address of addresses) this.#dirty.add(address);
    for (const entry of this.#cache.takeRemoved()) {
      this.#dirty.add(entry.address);
      this.#removed.push(entry);
    }
  }

  #selectorsOf(name: string): readonly string[] {
    const known = this.#matched.get(name);
    if (known) return known;
    // Names come and go; what was made for those that went is not worth following.
    if (this.#matched.size > 2 * this.#cache.size + 1000) this.#matched.clear();
    const found = this.#index.match(name);
    this.#matched.set(name, found);
    return found;
  }

  #decide(address: Address, text: string): Told | undefined {
    this.#refused.delete(text);
    this.#shared.delete(text);
    const keys = new Set<string>();
    const allowed: string[] = [];
    const others: string[] = [];
    for (const entry of this.#cache.ofAddress(text)) {
      const found = this.#selectorsOf(entry.name);
      for (const key of found) keys.add(key);
      if (found.length > 0) allowed.push(entry.name);
      else if (entry.asked && !entry.aliases.some((alias) => this.#selectorsOf(alias).length > 0))
        others.push(entry.name);
    }
    const [name] = allowed.sort();
    if (name === undefined) return undefined;
    const reason = this.#refuse(address);
    if (reason !== undefined) {
      this.#refused.set(text, { address: text, name, reason });
      return undefined;
    }
    const [other] = others.sort();
    if (other !== undefined) this.#shared.set(text, { address: text, allowed: name, other });
    return { selectors: [...keys].sort(), name };
  }
}
