// Expressions as trees, made by functions that keep them small: what is the same to a matcher of whole texts is the same
// tree, and nothing that repeats without end can be empty.
import { all, type CharacterSet } from "./alphabet.ts";
import { PatternError } from "./error.ts";

export type Node =
  | { readonly kind: "empty" }
  /** `^` and `$`: taken away where they say nothing, refused elsewhere. */
  | { readonly kind: "begin" }
  | { readonly kind: "end" }
  | { readonly kind: "set"; readonly set: CharacterSet }
  | { readonly kind: "sequence"; readonly items: readonly Node[] }
  | { readonly kind: "choice"; readonly items: readonly Node[] }
  /** `max` Infinity: without end. */
  | { readonly kind: "repeat"; readonly item: Node; readonly min: number; readonly max: number };

/** Of a part that repeats and may be empty. */
const maxOptional = 20;

export const empty: Node = { kind: "empty" };

/** Whether the empty text matches wherever it stands: an anchor does at one end alone. */
export function isNullable(node: Node): boolean {
  switch (node.kind) {
    case "empty":
      return true;
    case "begin":
    case "end":
    case "set":
      return false;
    case "sequence":
      return node.items.every(isNullable);
    case "choice":
      return node.items.some(isNullable);
    case "repeat":
      return node.min === 0 || isNullable(node.item);
  }
}

/** `.*`: whatever stands beside it and may be left out says nothing. */
export function isAnything(node: Node): boolean {
  return (
    node.kind === "repeat" &&
    node.max === Infinity &&
    node.min === 0 &&
    node.item.kind === "set" &&
    node.item.set === all
  );
}

export function hasAnything(node: Node): boolean {
  switch (node.kind) {
    case "sequence":
    case "choice":
      return node.items.some(hasAnything);
    case "repeat":
      return isAnything(node) || hasAnything(node.item);
    default:
      return false;
  }
}

export function choice(given: readonly Node[]): Node {
  const flat = given.flatMap((node) => (node.kind === "choice" ? node.items : [node]));
  const items: Node[] = [];
  let set: CharacterSet | undefined;
  for (const node of flat) {
    if (node.kind === "set") set = (set ?? 0n) | node.set;
    else if (!items.some((other) => isSame(other, node))) items.push(node);
  }
  if (set !== undefined) items.unshift({ kind: "set", set });
  const others = items.filter(({ kind }) => kind !== "empty");
  if (others.length < items.length && others.length > 0) {
    const rest = choice(others);
    return isNullable(rest) ? rest : repeat(rest, 0, 1);
  }
  return items.length === 1 ? (items[0] as Node) : { kind: "choice", items };
}

export function sequence(given: readonly Node[]): Node {
  const flat = given
    .flatMap((node) => (node.kind === "sequence" ? node.items : [node]))
    .flatMap(splitAnything)
    .filter(({ kind }) => kind !== "empty");
  const items: Node[] = [];
  for (const node of flat) append(items, node);
  if (items.length === 0) return empty;
  return items.length === 1 ? (items[0] as Node) : { kind: "sequence", items };
}

/** `.+` is `..*`. */
function splitAnything(node: Node): Node[] {
  if (node.kind !== "repeat" || node.max !== Infinity || node.min === 0) return [node];
  const anything: Node = { ...node, min: 0 };
  if (!isAnything(anything)) return [node];
  return [node.min === 1 ? node.item : { ...node, max: node.min }, anything];
}

function append(items: Node[], node: Node): void {
  const previous = items.at(-1);
  if (previous === undefined) items.push(node);
  else if (isAnything(previous)) {
    // `.*` takes what the rest of a repetition would.
    const least = atLeast(node);
    if (least !== undefined) items.push(least);
  } else if (isAnything(node)) {
    const least = atLeast(previous);
    if (least === previous) items.push(node);
    else {
      items.pop();
      if (least) items.push(least);
      append(items, node);
    }
  } else {
    const united = unite(previous, node);
    if (united) items[items.length - 1] = united;
    else items.push(node);
  }
}

/** What must be there beside `.*`; undefined: nothing. */
function atLeast(node: Node): Node | undefined {
  if (isAnything(node) || isNullable(node)) return undefined;
  if (node.kind !== "repeat" || node.min === node.max) return node;
  return node.min === 1 ? node.item : { ...node, max: node.min };
}

/** `a*a+` is `a+`. */
function unite(first: Node, second: Node): Node | undefined {
  if (first.kind !== "repeat" && second.kind !== "repeat") return undefined;
  const [one, two] = [asRepeat(first), asRepeat(second)];
  if (!isSame(one.item, two.item)) return undefined;
  return { kind: "repeat", item: one.item, min: one.min + two.min, max: one.max + two.max };
}

function asRepeat(node: Node): Node & { readonly kind: "repeat" } {
  return node.kind === "repeat" ? node : { kind: "repeat", item: node, min: 1, max: 1 };
}

export function repeat(item: Node, min: number, max: number): Node {
  if (max === 0 || item.kind === "empty") return empty;
  if (max === 1 && min === 1) return item;
  if (isNullable(item)) {
    if (max === 1) return item;
    const some = max === Infinity ? starBody(item) : nonEmpty(item);
    return some === undefined ? empty : repeat(some, 0, max);
  }
  if (max === Infinity && min <= 1 && item.kind === "repeat" && item.min === 1)
    return repeat(item.item, min, Infinity);
  if (max === 1 && min === 0 && item.kind === "repeat" && item.min === 1)
    return repeat(item.item, 0, item.max);
  // (.*a)* is (.*a)?: one `.*` takes all rounds but the last.
  if (max > 1 && min <= 1 && item.kind === "sequence" && item.items.some(isEdge(item.items)))
    return repeat(item, min, 1);
  return { kind: "repeat", item, min, max };
}

function isEdge(items: readonly Node[]): (node: Node) => boolean {
  return (node) => isAnything(node) && (node === items[0] || node === items.at(-1));
}

/** What a repetition without end can have in place of a body that may be empty. */
function starBody(node: Node): Node | undefined {
  switch (node.kind) {
    case "set":
      return node;
    case "choice":
      return choiceOf(node.items.map(starBody));
    case "sequence":
      return isNullable(node) ? choiceOf(node.items.map(starBody)) : node;
    case "repeat":
      return node.min <= 1 ? starBody(node.item) : node;
    default:
      return undefined;
  }
}

/** The same without the empty text. */
function nonEmpty(node: Node): Node | undefined {
  if (!isNullable(node)) return node;
  switch (node.kind) {
    case "choice":
      return choiceOf(node.items.map(nonEmpty));
    case "sequence": {
      if (node.items.length > maxOptional)
        throw new PatternError(`has more than ${maxOptional} parts in a row that may be left out`);
      const [first = empty, ...rest] = node.items;
      const begun = nonEmpty(first);
      return choiceOf([
        begun && sequence([begun, ...rest]),
        rest.length === 0 ? undefined : nonEmpty(sequence(rest)),
      ]);
    }
    case "repeat":
      return repeat(node.item, 1, node.max);
    default:
      return undefined;
  }
}

function choiceOf(items: readonly (Node | undefined)[]): Node | undefined {
  const some = items.filter((item) => item !== undefined);
  return some.length === 0 ? undefined : choice(some);
}

export function isSame(one: Node, other: Node): boolean {
  switch (one.kind) {
    case "set":
      return other.kind === "set" && one.set === other.set;
    case "sequence":
    case "choice":
      return (
        other.kind === one.kind &&
        other.items.length === one.items.length &&
        one.items.every((item, index) => isSame(item, other.items[index] as Node))
      );
    case "repeat":
      return (
        other.kind === "repeat" &&
        one.min === other.min &&
        one.max === other.max &&
        isSame(one.item, other.item)
      );
    default:
      return one.kind === other.kind;
  }
}
