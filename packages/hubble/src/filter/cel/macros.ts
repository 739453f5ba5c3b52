// all, exists, exists_one, map, filter: loops over a list or a map's keys, each turn paid for by the size of its body.
import {
  attempt,
  type Code,
  compileNode,
  type Frame,
  type Node,
  type Scope,
  UnsupportedError,
} from "./compile.ts";
import { asBoolean, type CelValue, failure, spend } from "./value.ts";

export const macroNames: ReadonlySet<string> = new Set([
  "all",
  "exists",
  "exists_one",
  "map",
  "filter",
]);

/** @throws UnsupportedError, FilterError */
export function compileMacro(name: string, range: Node, args: readonly Node[], scope: Scope): Code {
  const [variable, ...bodies] = args;
  if (variable?.op !== "id" || typeof variable.args !== "string")
    throw new UnsupportedError(`${name}() takes a variable first`);
  const slot = scope.slots.size;
  const inner = { ...scope, slots: new Map(scope.slots).set(variable.args, slot) };
  // A name used again within its own macro would take its slot's number twice.
  if (scope.slots.has(variable.args))
    throw new UnsupportedError(`${variable.args} is the variable of an outer macro`);
  const items = compileItems(compileNode(range, scope));
  const codes = bodies.map((body) => compileNode(body, inner));
  const cost = 2 + bodies.reduce((sum, body) => sum + sizeOfNode(body), 0);
  const loop: Loop = { items, slot, cost };
  const [first, second] = codes;
  if (!first) throw new UnsupportedError(`${name}() needs an expression`);
  switch (name) {
    case "all":
      return quantifier(loop, first, false);
    case "exists":
      return quantifier(loop, first, true);
    case "exists_one":
      return (frame) => select(loop, first, frame).length === 1;
    case "filter":
      return (frame) => select(loop, first, frame);
    default:
      return second
        ? (frame) => transform({ ...loop, items: () => select(loop, first, frame) }, second, frame)
        : (frame) => transform(loop, first, frame);
  }
}

type Loop = {
  readonly items: (frame: Frame) => readonly CelValue[];
  readonly slot: number;
  /** Units of one turn. */
  readonly cost: number;
};

function compileItems(range: Code): Loop["items"] {
  return (frame) => {
    const value = range(frame);
    if (Array.isArray(value)) return value as readonly CelValue[];
    if (value instanceof Map) return [...(value as Map<CelValue, CelValue>).keys()];
    throw failure;
  };
}

/** Stops at the first `decisive` answer; a turn that failed is forgiven if one such comes. */
function quantifier({ items, slot, cost }: Loop, body: Code, decisive: boolean): Code {
  return (frame) => {
    let failed = false;
    for (const item of items(frame)) {
      spend(frame, cost);
      frame.variables[slot] = item;
      const answer = attempt(body, frame);
      if (answer === decisive) return decisive;
      failed ||= answer === undefined;
    }
    if (failed) throw failure;
    return !decisive;
  };
}

function select({ items, slot, cost }: Loop, body: Code, frame: Frame): readonly CelValue[] {
  return items(frame).filter((item) => {
    spend(frame, cost);
    frame.variables[slot] = item;
    return asBoolean(body(frame));
  });
}

function transform({ items, slot, cost }: Loop, body: Code, frame: Frame): readonly CelValue[] {
  return items(frame).map((item) => {
    spend(frame, cost);
    frame.variables[slot] = item;
    return body(frame);
  });
}

/** Nodes of a tree. */
function sizeOfNode(value: unknown): number {
  if (Array.isArray(value)) return value.reduce((sum: number, item) => sum + sizeOfNode(item), 0);
  if (typeof value !== "object" || value === null || !("op" in value) || !("args" in value))
    return 0;
  return 1 + sizeOfNode(value.args);
}
