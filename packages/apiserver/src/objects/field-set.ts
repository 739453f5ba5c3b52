// Sets of fields, as managedFields writes them (FieldsV1): a tree whose branches are path elements.
//
//   "f:NAME" a field, 'k:{"name":"a"}' an item of a keyed list, "v:1" an item of a set, "." the parent itself
import { isRecord } from "./json.ts";

/** Changed only while it is being built. */
export type FieldSet = { member: boolean; readonly children: Map<string, FieldSet> };

export function emptySet(): FieldSet {
  return { member: false, children: new Map() };
}

export function isEmpty(set: FieldSet | undefined): boolean {
  return set === undefined || (!set.member && set.children.size === 0);
}

/** The element's set, made when it is not there. */
export function childOf(set: FieldSet, element: string): FieldSet {
  let child = set.children.get(element);
  if (!child) set.children.set(element, (child = emptySet()));
  return child;
}

type Combine = (left: boolean, right: boolean) => boolean;

/** Without empty branches, so that a set that holds nothing has no children. */
function combine(left: FieldSet | undefined, right: FieldSet | undefined, by: Combine): FieldSet {
  const result = emptySet();
  result.member = by(left?.member ?? false, right?.member ?? false);
  const elements = new Set([...(left?.children.keys() ?? []), ...(right?.children.keys() ?? [])]);
  for (const element of elements) {
    const child = combine(left?.children.get(element), right?.children.get(element), by);
    if (!isEmpty(child)) result.children.set(element, child);
  }
  return result;
}

/** All in one, at the cost of what they hold: however many there are. */
export function unionOf(sets: Iterable<FieldSet>): FieldSet {
  const all = emptySet();
  for (const set of sets) add(all, set);
  return all;
}

function add(to: FieldSet, set: FieldSet): void {
  to.member ||= set.member;
  for (const [element, child] of set.children)
    if (!isEmpty(child)) add(childOf(to, element), child);
}

export function union(left: FieldSet, right: FieldSet): FieldSet {
  return combine(left, right, (inLeft, inRight) => inLeft || inRight);
}

export function difference(left: FieldSet, right: FieldSet): FieldSet {
  return within(left, right, (inLeft, inRight) => inLeft && !inRight);
}

export function intersection(left: FieldSet, right: FieldSet): FieldSet {
  return within(left, right, (inLeft, inRight) => inLeft && inRight);
}

/** As `combine`, of what can only hold what the left one does: the right one may be long. */
function within(left: FieldSet, right: FieldSet | undefined, by: Combine): FieldSet {
  const result = emptySet();
  result.member = by(left.member, right?.member ?? false);
  for (const [element, child] of left.children) {
    const part = within(child, right?.children.get(element), by);
    if (!isEmpty(part)) result.children.set(element, part);
  }
  return result;
}

export function sameSet(left: FieldSet, right: FieldSet): boolean {
  return isEmpty(combine(left, right, (inLeft, inRight) => inLeft !== inRight));
}

/** The paths of all members, in order. */
export function pathsOf(set: FieldSet, above: readonly string[] = []): string[][] {
  return [
    ...(set.member ? [[...above]] : []),
    ...inOrder(set).flatMap(([element, child]) => pathsOf(child, [...above, element])),
  ];
}

const kindsInOrder = "fkvi";

/** Fields, then keyed items, then values; each by its text. */
function inOrder(set: FieldSet): [string, FieldSet][] {
  return [...set.children].sort(([left], [right]) => {
    const byKind = kindsInOrder.indexOf(left[0] ?? "") - kindsInOrder.indexOf(right[0] ?? "");
    return byKind || (left < right ? -1 : left > right ? 1 : 0);
  });
}

export type FieldsV1 = { readonly [element: string]: FieldsV1 };

export function toFieldsV1(set: FieldSet): FieldsV1 {
  const fields: Record<string, FieldsV1> = {};
  if (set.member && set.children.size > 0) fields["."] = {};
  for (const [element, child] of inOrder(set)) fields[element] = toFieldsV1(child);
  return fields;
}

/** @returns undefined for what is no FieldsV1. */
export function fromFieldsV1(fields: unknown): FieldSet | undefined {
  return isRecord(fields) ? branch(fields, true) : undefined;
}

function branch(fields: Record<string, unknown>, root: boolean): FieldSet | undefined {
  const set = emptySet();
  const entries = Object.entries(fields);
  set.member = entries.length === 0 && !root;
  for (const [element, value] of entries) {
    if (!isRecord(value)) return undefined;
    if (element === ".") {
      set.member = true;
      continue;
    }
    if (!isElement(element)) return undefined;
    const child = branch(value, false);
    if (!child) return undefined;
    set.children.set(element, child);
  }
  return set;
}

function isElement(element: string): boolean {
  const text = element.slice(2);
  switch (element.slice(0, 2)) {
    case "f:":
      return true;
    case "i:":
      return /^\d{1,9}$/.test(text);
    case "k:":
      return isRecord(parsed(text));
    case "v:":
      return parsed(text) !== undefined;
    default:
      return false;
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** '.spec.ports[containerPort=80,protocol="TCP"].name': a path in the words of messages. */
export function pathText(path: readonly string[]): string {
  return path.map(elementText).join("");
}

function elementText(element: string): string {
  const text = element.slice(2);
  switch (element[0]) {
    case "f":
      return `.${text}`;
    case "k": {
      const keys = parsed(text);
      const pairs = Object.entries(isRecord(keys) ? keys : {});
      return `[${pairs.map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(",")}]`;
    }
    case "v":
      return `[=${text}]`;
    default:
      return `[${text}]`;
  }
}
