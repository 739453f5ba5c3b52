// Selectors and what they match, kept up to date both ways: a new item is tried on the selectors that name one of its
// labels, a new selector on the items that have one of its labels. Neither costs by how many there are of the other.
import type { Labels } from "@tsilium/net";
import type { LabelSelector, Requirement } from "../model.ts";
import { type KeyedSelector, selects } from "./selectors.ts";

/** A selector that somebody uses. It goes when its last user does. */
export type IndexedSelector<User> = KeyedSelector & {
  /** Ids of the items that it matches. */
  readonly matches: ReadonlySet<number>;
  readonly users: ReadonlySet<User>;
};

type Entry<User> = KeyedSelector & {
  readonly matches: Set<number>;
  readonly users: Set<User>;
  readonly places: Places | undefined;
};

/** What an item must have one of to be matched: one of some labels, or a key. */
type Places = { readonly kind: "labels" | "key"; readonly texts: readonly string[] };

/** Labels that every pod has with few different values: filed under these, a selector is tried often. */
const commonKey = /^io\.(kubernetes\.pod\.namespace|cilium\.k8s\.)/;

export class SelectorIndex<User> {
  readonly #items = new Map<number, Labels>();
  /** "key=value" -> items with such a label, of whatever source. */
  readonly #byLabel = new Map<string, Set<number>>();
  readonly #selectors = new Map<string, Entry<User>>();
  /** "key=value" or "key" -> selectors that match nobody without it. */
  readonly #filed = new Map<string, Set<Entry<User>>>();
  /** Selectors that require no label. */
  readonly #unfiled = new Set<Entry<User>>();

  /** From now on, until released by the same user, matches are kept. */
  acquire(selector: KeyedSelector, user: User): IndexedSelector<User> {
    const entry = this.#selectors.get(selector.key) ?? this.#add(selector);
    entry.users.add(user);
    return entry;
  }

  release(key: string, user: User): void {
    const entry = this.#selectors.get(key);
    if (!entry) return;
    entry.users.delete(user);
    if (entry.users.size > 0) return;
    this.#selectors.delete(key);
    if (!entry.places) this.#unfiled.delete(entry);
    for (const place of entry.places?.texts ?? []) remove(this.#filed, place, entry);
  }

  /** Items that a selector matches, whether anybody uses it or not. */
  find({ key, selector }: KeyedSelector): ReadonlySet<number> {
    return (
      this.#selectors.get(key)?.matches ?? this.#search(selector, placesOf(selector, this.#countOf))
    );
  }

  /** Selectors in use that match such labels. */
  matching(labels: Labels): Set<IndexedSelector<User>> {
    const found = new Set<IndexedSelector<User>>();
    for (const entry of this.#candidates(labels))
      if (selects(entry.selector, labels)) found.add(entry);
    return found;
  }

  /** Selectors that somebody uses. */
  inUse(): Iterable<IndexedSelector<User>> {
    return this.#selectors.values();
  }

  /** Adds an item, or gives it other labels. */
  set(id: number, labels: Labels): void {
    if (this.#items.get(id)?.equals(labels)) return;
    this.delete(id);
    this.#items.set(id, labels);
    for (const { key, value } of labels) add(this.#byLabel, `${key}=${value}`, id);
    for (const entry of this.#candidates(labels))
      if (selects(entry.selector, labels)) entry.matches.add(id);
  }

  delete(id: number): void {
    const labels = this.#items.get(id);
    if (!labels) return;
    this.#items.delete(id);
    for (const { key, value } of labels) remove(this.#byLabel, `${key}=${value}`, id);
    for (const entry of this.#candidates(labels)) entry.matches.delete(id);
  }

  #add({ key, selector }: KeyedSelector): Entry<User> {
    const places = placesOf(selector, this.#countOf);
    const entry = {
      key,
      selector,
      places,
      matches: this.#search(selector, places),
      users: new Set<User>(),
    };
    this.#selectors.set(key, entry);
    if (!places) this.#unfiled.add(entry);
    for (const place of places?.texts ?? []) add(this.#filed, place, entry);
    return entry;
  }

  /** Looks at items that have one of the labels; at all, when the selector names no whole label. */
  #search(selector: LabelSelector, places: Places | undefined): Set<number> {
    const found = new Set<number>();
    const pools =
      places?.kind === "labels"
        ? places.texts.map((text) => this.#byLabel.get(text) ?? [])
        : [this.#items.keys()];
    for (const pool of pools)
      for (const id of pool) if (selects(selector, this.#items.get(id) as Labels)) found.add(id);
    return found;
  }

  *#candidates(labels: Labels): Generator<Entry<User>, void> {
    for (const { key, value } of labels) {
      yield* this.#filed.get(`${key}=${value}`) ?? [];
      yield* this.#filed.get(key) ?? [];
    }
    yield* this.#unfiled;
  }

  readonly #countOf = (label: string): number => this.#byLabel.get(label)?.size ?? 0;
}

/** undefined: nothing is required. Of several places, those that the fewest items have. */
function placesOf(selector: LabelSelector, countOf: (label: string) => number): Places | undefined {
  let best: { readonly places: Places; readonly cost: number } | undefined;
  for (const requirement of selector) {
    const places = placesOfRequirement(requirement);
    if (!places) continue;
    const items = places.kind === "labels" ? sum(places.texts.map(countOf)) : Infinity;
    const cost = items + (commonKey.test(requirement.key) ? 0.5 : 0);
    if (!best || cost < best.cost) best = { places, cost };
  }
  return best?.places;
}

/** An "In" without values matches nobody: it has no place at all. */
function placesOfRequirement({ key, operator, values }: Requirement): Places | undefined {
  if (operator === "In")
    return { kind: "labels", texts: [...new Set(values)].map((value) => `${key}=${value}`) };
  return operator === "Exists" ? { kind: "key", texts: [key] } : undefined;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

function add<Value>(map: Map<string, Set<Value>>, key: string, value: Value): void {
  const values = map.get(key);
  if (values) values.add(value);
  else map.set(key, new Set([value]));
}

function remove<Value>(map: Map<string, Set<Value>>, key: string, value: Value): void {
  const values = map.get(key);
  if (values?.delete(value) && values.size === 0) map.delete(key);
}
