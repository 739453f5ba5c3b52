// The fields of values, by their structure: which there are, which two states differ in, what becomes of a value when
// somebody applies theirs, and what of it goes because nobody applies it any more. Pure: no argument is ever changed.
import { badRequest } from "../errors.ts";
import { childOf, emptySet, isEmpty, pathText, type FieldSet } from "./field-set.ts";
import { isRecord, sameJson } from "./json.ts";
import type { Structure } from "./structure.ts";

type Item = { readonly element: string; readonly value: unknown };

/** A value on the way down, seen by its structure. */
type View =
  | { readonly shape: "leaf" }
  | { readonly shape: "map"; readonly value: Readonly<Record<string, unknown>> }
  | { readonly shape: "list"; readonly items: readonly Item[] };

const leaf: View = { shape: "leaf" };

/** @param faulty told of a list whose items cannot be told apart; it is taken as one whole. */
function viewOf(value: unknown, structure: Structure, faulty?: (why: string) => void): View {
  if (structure.shape === "map") return isRecord(value) ? { shape: "map", value } : leaf;
  if (structure.shape === "atomic" || !Array.isArray(value)) return leaf;
  const items: Item[] = [];
  const seen = new Set<string>();
  for (const item of value as unknown[]) {
    const element = elementOf(item, structure);
    if (element === undefined) {
      faulty?.(`element ${items.length}: a list's item must be ${itemWords(structure)}`);
      return leaf;
    }
    if (seen.has(element)) {
      faulty?.(`duplicate entries for key ${pathText([element])}`);
      return leaf;
    }
    seen.add(element);
    items.push({ element, value: item });
  }
  return { shape: "list", items };
}

function itemWords({ shape, keys }: Structure): string {
  const names = keys.map(({ name }) => JSON.stringify(name)).join(" and ");
  return shape === "set" ? "a plain value" : `an object that has ${names}`;
}

function elementOf(item: unknown, { shape, keys }: Structure): string | undefined {
  if (shape === "set")
    return typeof item === "object" ? undefined : `v:${JSON.stringify(item) ?? "null"}`;
  if (!isRecord(item)) return undefined;
  const entries: [string, unknown][] = [];
  for (const key of keys) {
    const value = item[key.name] ?? key.default;
    if (value === undefined || typeof value === "object") return undefined;
    entries.push([key.name, value]);
  }
  entries.sort(([left], [right]) => (left < right ? -1 : 1));
  return `k:${JSON.stringify(Object.fromEntries(entries))}`;
}

const isEmptyMap = (value: unknown) => isRecord(value) && Object.keys(value).length === 0;

/**
 * The fields that whoever applies a value says something of.
 * @throws ApiError BadRequest for a list whose items cannot be told apart.
 */
export function fieldsOf(value: unknown, structure: Structure): FieldSet {
  const fields = emptySet();
  collect(fields, [], { value, structure });
  return fields;
}

type Node = { readonly value: unknown; readonly structure: Structure };

function collect(into: FieldSet, path: readonly string[], { value, structure }: Node): void {
  const view = viewOf(value, structure, (why) => {
    throw badRequest(`${pathText(path)}: ${why}`);
  });
  switch (view.shape) {
    case "leaf":
      into.member = path.length > 0;
      return;
    case "map":
      for (const [name, child] of Object.entries(view.value)) {
        if (child === undefined) continue;
        const element = `f:${name}`;
        const below = childOf(into, element);
        collect(below, [...path, element], { value: child, structure: structure.field(name) });
        if (isEmptyMap(child) || !structure.declares(name)) below.member = true;
      }
      break;
    case "list":
      for (const { element, value: item } of view.items) {
        const below = childOf(into, element);
        below.member = true;
        if (structure.shape === "keyed")
          collect(below, [...path, element], { value: item, structure: structure.items() });
      }
      break;
  }
  for (const [element, child] of into.children) if (isEmpty(child)) into.children.delete(element);
}

export type Difference = {
  readonly added: FieldSet;
  readonly modified: FieldSet;
  readonly removed: FieldSet;
};

/** Which fields two states of an object differ in. */
export function compare(before: unknown, after: unknown, structure: Structure): Difference {
  const sets = { added: emptySet(), modified: emptySet(), removed: emptySet() };
  compareAt(sets, { before, after, structure });
  return sets;
}

type Pair = { readonly before: unknown; readonly after: unknown; readonly structure: Structure };

const missing = (value: unknown) => value === undefined || value === null;

function compareAt(sets: Difference, { before, after, structure }: Pair): void {
  const [was, is] = [viewOf(before, structure), viewOf(after, structure)];
  const comparable = missing(before) || missing(after) || was.shape === is.shape;
  if (!comparable || (was.shape === "leaf" && is.shape === "leaf")) {
    if (missing(before) && !missing(after)) sets.added.member = true;
    else if (missing(after) && !missing(before)) sets.removed.member = true;
    else if (!sameJson(before, after)) sets.modified.member = true;
    return;
  }
  if (missing(before) && !structure.always) sets.added.member = true;
  if (missing(after) && !structure.always) sets.removed.member = true;
  const old = childrenOf(was);
  const now = childrenOf(is);
  for (const element of new Set([...old.keys(), ...now.keys()])) {
    const pair = { before: old.get(element), after: now.get(element) };
    if (pair.before === pair.after) continue;
    compareAt(descend(sets, element), { ...pair, structure: below(structure, element) });
    for (const set of [sets.added, sets.modified, sets.removed])
      if (isEmpty(set.children.get(element))) set.children.delete(element);
  }
}

function descend(sets: Difference, element: string): Difference {
  return {
    added: childOf(sets.added, element),
    modified: childOf(sets.modified, element),
    removed: childOf(sets.removed, element),
  };
}

function childrenOf(view: View): ReadonlyMap<string, unknown> {
  switch (view.shape) {
    case "leaf":
      return new Map();
    case "map":
      return new Map(Object.entries(view.value).map(([name, value]) => [`f:${name}`, value]));
    case "list":
      return new Map(view.items.map(({ element, value }) => [element, value]));
  }
}

function below(structure: Structure, element: string): Structure {
  return element.startsWith("f:") ? structure.field(element.slice(2)) : structure.items();
}

/** The live value with what is applied laid over it: applied fields win, others stay. */
export function mergeApplied(live: unknown, applied: unknown, structure: Structure): unknown {
  const [old, given] = [viewOf(live, structure), viewOf(applied, structure)];
  if (old.shape === "map" && given.shape === "map") {
    const merged: Record<string, unknown> = { ...old.value };
    for (const [name, value] of Object.entries(given.value))
      merged[name] = mergeApplied(old.value[name], value, structure.field(name));
    return merged;
  }
  if (old.shape === "list" && given.shape === "list")
    return mergeItems(old.items, given.items, structure);
  return applied;
}

/** In the order of the live list, but items that both have, and new ones, in the order in which they are applied. */
function mergeItems(
  live: readonly Item[],
  applied: readonly Item[],
  structure: Structure,
): unknown[] {
  const before = new Map(live.map((item) => [item.element, item.value]));
  const wanted = new Set(applied.map(({ element }) => element));
  const done = new Set<string>();
  const merged: unknown[] = [];
  let at = 0;
  let next = 0;
  while (at < live.length || next < applied.length) {
    const old = live[at];
    if (old && (!wanted.has(old.element) || done.has(old.element))) {
      if (!done.has(old.element)) merged.push(old.value);
      at += 1;
      continue;
    }
    // Every item that is applied comes by here once: a live one that waits for its turn is among them.
    const { element, value } = applied[next++] as Item;
    done.add(element);
    merged.push(
      before.has(element) ? mergeApplied(before.get(element), value, structure.items()) : value,
    );
  }
  return merged;
}

export type Claims = {
  /** What the manager applied until now. */
  readonly last: FieldSet;
  /** What is somebody's now, the manager's new fields among it. */
  readonly owned: FieldSet;
};

/** The value without what its manager has ceased to apply and nobody else owns. */
export function withoutDropped(value: unknown, structure: Structure, claims: Claims): unknown {
  const view = viewOf(value, structure);
  switch (view.shape) {
    case "leaf":
      return value;
    case "map": {
      const kept: Record<string, unknown> = {};
      for (const [name, child] of Object.entries(view.value)) {
        const verdict = keep(child, `f:${name}`, { structure, claims });
        if (verdict !== undefined) kept[name] = verdict.value;
      }
      return kept;
    }
    case "list":
      return view.items.flatMap(({ element, value: item }) => {
        const verdict = keep(item, element, { structure, claims });
        return verdict === undefined ? [] : [verdict.value];
      });
  }
}

/** What stays of a child; undefined when it goes. */
function keep(
  child: unknown,
  element: string,
  { structure, claims }: { readonly structure: Structure; readonly claims: Claims },
): { readonly value: unknown } | undefined {
  const last = claims.last.children.get(element);
  if (!last) return { value: child };
  // A field that a schema names belongs to whoever has anything in it.
  const named = element.startsWith("f:") && structure.declares(element.slice(2));
  const owned = claims.owned.children.get(element) ?? emptySet();
  const isHeld = (set: FieldSet) => set.member || (named && set.children.size > 0);
  if (isHeld(last) && !isHeld(owned)) return undefined;
  const value = withoutDropped(child, below(structure, element), { last, owned });
  const emptied = isBare(value) && !isBare(child);
  return emptied ? undefined : { value };
}

function isBare(value: unknown): boolean {
  return Array.isArray(value) ? value.length === 0 : isEmptyMap(value);
}
