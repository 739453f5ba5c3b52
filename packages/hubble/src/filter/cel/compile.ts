// A checked expression -> closures over the flow. The library parses and checks types; evaluation is ours, because
// filters come from clients: its own has no bound on time (nested macros, backtracking regular expressions) and knows
// nothing of protobuf's empty fields.
import type { Flow } from "../../model.ts";
import { compilePattern } from "../regex.ts";
import {
  arithmetic,
  comparison,
  functions,
  negate,
  not,
  sizeOf,
  stringMethods,
  textCost,
  timeMethods,
} from "./functions.ts";
import { compileMacro, macroNames } from "./macros.ts";
import type { FieldAccess, Schema } from "./schema.ts";
import {
  asBoolean,
  type CelDuration,
  type CelTime,
  type CelValue,
  failure,
  isEqual,
  spend,
} from "./value.ts";

/** One evaluation: the flow, the macros' variables, and what may still be spent. */
export type Frame = { flow: Flow; readonly variables: CelValue[]; left: number };
export type Code = (frame: Frame) => CelValue;

/** The library's tree, as far as it is of use here: `checkedType` is what its checker found. */
export type Node = {
  readonly op: string;
  readonly args: unknown;
  readonly checkedType?: { readonly name: string; readonly kind: string };
};

/** Where names lead: macros' variables by their slots; everything else is in the schema. */
export type Scope = {
  readonly schema: Schema;
  readonly field: string;
  readonly slots: ReadonlyMap<string, number>;
};

/** What the checker lets through and we do not have. The message is for the client. */
export class UnsupportedError extends Error {
  override readonly name = "UnsupportedError";
}

/** @throws UnsupportedError, FilterError for a regular expression in it */
export function compileNode(node: Node, scope: Scope): Code {
  const { op, args } = node;
  switch (op) {
    case "value":
      return constant(literal(args));
    case "id":
      return compileName(args as string, scope);
    case ".":
      return compileSelection(args as [Node, string], scope);
    case "[]":
      return compileIndex(args as [Node, Node], scope);
    case "call":
      return compileCall(args as [string, Node[]], scope);
    case "rcall":
      return compileMethod(args as [string, Node, Node[]], scope);
    case "list":
      return compileList(args as Node[], scope);
    case "map":
      return compileMap(args as [Node, Node][], scope);
    case "?:":
      return compileTernary(args as [Node, Node, Node], scope);
    case "||":
      return compileLogical(args as [Node, Node], scope, true);
    case "&&":
      return compileLogical(args as [Node, Node], scope, false);
    case "!_":
      return unary(compileNode(args as Node, scope), not);
    case "-_":
      return unary(compileNode(args as Node, scope), negate);
    default:
      return compileBinary(node, scope);
  }
}

const constant =
  (value: CelValue): Code =>
  () =>
    value;

const unary =
  (code: Code, apply: (value: CelValue) => CelValue): Code =>
  (frame) =>
    apply(code(frame));

function literal(value: unknown): CelValue {
  if (value instanceof Uint8Array) throw new UnsupportedError("bytes are not supported");
  if (typeof value !== "object" || value === null) return value as CelValue;
  // The library's UnsignedInt.
  const unsigned = value.valueOf();
  if (typeof unsigned === "bigint") return unsigned;
  throw new UnsupportedError("types as values are not supported");
}

function compileName(name: string, { slots, schema }: Scope): Code {
  const slot = slots.get(name);
  if (slot !== undefined) return ({ variables }) => variables[slot];
  if (name === "_flow") return ({ flow }) => flow;
  const values = schema.enums.get(name);
  if (values) return constant(values);
  throw new UnsupportedError(`${name} is not supported`);
}

function compileSelection([object, name]: [Node, string], scope: Scope): Code {
  const constantOf = enumValue(object, name, scope);
  if (constantOf !== undefined) return constant(constantOf);
  const from = compileNode(object, scope);
  const access = accessOf(object, name, scope);
  if (access) return (frame) => access.get(from(frame) as object | undefined);
  return (frame) => mapEntry(from(frame), name);
}

/** Of "Verdict.DROPPED" and "flow.Verdict.DROPPED". @throws UnsupportedError for a value that the enum has not */
function enumValue(object: Node, name: string, { schema, slots }: Scope): CelValue {
  const enumName = enumNameOf(object, slots);
  const values = enumName === undefined ? undefined : schema.enums.get(enumName);
  if (!values) return undefined;
  const value = values.get(name);
  if (value === undefined) throw new UnsupportedError(`${enumName} has no value ${name}`);
  return value;
}

function enumNameOf({ op, args }: Node, slots: Scope["slots"]): string | undefined {
  if (op === "id") return slots.has(args as string) ? undefined : (args as string);
  if (op !== ".") return undefined;
  const [object, name] = args as [Node, string];
  return object.op === "id" && object.args === "flow" && !slots.has("flow") ? name : undefined;
}

/** undefined: `object` is not a message. */
function accessOf(object: Node, name: string, { schema }: Scope): FieldAccess | undefined {
  const fields = schema.messages.get(object.checkedType?.name ?? "");
  const access = fields?.get(name);
  if (fields && !access) throw new UnsupportedError(`no such field: ${name}`);
  return access;
}

function mapEntry(map: CelValue, key: CelValue): CelValue {
  if (!(map instanceof Map) || !map.has(key)) throw failure;
  return map.get(key) as CelValue;
}

function compileIndex([object, index]: [Node, Node], scope: Scope): Code {
  if (scope.schema.messages.has(object.checkedType?.name ?? ""))
    throw new UnsupportedError("a message's field is written with a dot");
  const [from, at] = [compileNode(object, scope), compileNode(index, scope)];
  return (frame) => {
    const value = from(frame);
    const key = at(frame);
    if (!Array.isArray(value)) return mapEntry(value, key);
    const place = Number(key);
    if (!(place >= 0 && place < value.length)) throw failure;
    return value[place] as CelValue;
  };
}

function compileCall([name, args]: [string, Node[]], scope: Scope): Code {
  const [only] = args;
  if (name === "has" && only) return compileHas(only, scope);
  const apply = Object.hasOwn(functions, name) ? functions[name] : undefined;
  if (!apply || !only || args.length > 1)
    throw new UnsupportedError(`function ${name} is not supported`);
  const code = compileNode(only, scope);
  return (frame) => apply(code(frame), frame);
}

function compileHas({ args }: Node, scope: Scope): Code {
  const [object, name] = args as [Node, string];
  const from = compileNode(checked(object, scope), scope);
  const access = accessOf(checked(object, scope), name, scope);
  if (access) return (frame) => access.isSet(from(frame) as object | undefined);
  throw new UnsupportedError("has() takes a message's field");
}

/** The checker does not look into has(): its argument's types are found here. */
function checked(node: Node, scope: Scope): Node {
  if (node.checkedType || node.op !== ".") return node;
  const [inner, name] = node.args as [Node, string];
  const object = checked(inner, scope);
  const type = scope.schema.types.get(object.checkedType?.name ?? "")?.get(name);
  if (type === undefined) throw new UnsupportedError(`no such field: ${name}`);
  return { op: ".", args: [object, name], checkedType: { name: type, kind: "message" } };
}

function compileMethod([name, receiver, args]: [string, Node, Node[]], scope: Scope): Code {
  if (macroNames.has(name)) return compileMacro(name, receiver, args, scope);
  const on = compileNode(receiver, scope);
  const [only] = args;
  if (only && args.length === 1) {
    if (name === "matches") return compileMatches(on, only, scope);
    const test = Object.hasOwn(stringMethods, name) ? stringMethods[name] : undefined;
    if (test) return compileStringTest(on, compileNode(only, scope), test);
  }
  if (args.length === 0) {
    if (name === "size") return (frame) => sizeOf(on(frame), frame);
    const part = Object.hasOwn(timeMethods, name) ? timeMethods[name] : undefined;
    if (part) return (frame) => part(on(frame) as CelTime | CelDuration);
  }
  throw new UnsupportedError(`function ${name} with ${args.length} arguments is not supported`);
}

function compileStringTest(
  on: Code,
  part: Code,
  test: (text: string, part: string) => boolean,
): Code {
  return (frame) => {
    const text = on(frame);
    const other = part(frame);
    if (typeof text !== "string" || typeof other !== "string") throw failure;
    spend(frame, textCost(text));
    return test(text, other);
  };
}

/** The expression is a literal: compiled once, and its program is small, so that the text's length is the cost. */
function compileMatches(on: Code, pattern: Node, { field }: Scope): Code {
  if (pattern.op !== "value" || typeof pattern.args !== "string")
    throw new UnsupportedError("matches() takes a literal expression");
  const compiled = compilePattern(field, pattern.args);
  const perCharacter = 1 + compiled.programSize() / 20;
  return (frame) => {
    const text = on(frame);
    if (typeof text !== "string") throw failure;
    spend(frame, 1 + text.length * perCharacter);
    return compiled.test(text);
  };
}

function compileList(nodes: readonly Node[], scope: Scope): Code {
  const items = nodes.map((node) => compileNode(node, scope));
  if (nodes.every(({ op }) => op === "value")) {
    const values = nodes.map(({ args }) => literal(args));
    return constant(values);
  }
  return (frame) => {
    spend(frame, items.length);
    return items.map((item) => item(frame));
  };
}

function compileMap(nodes: readonly [Node, Node][], scope: Scope): Code {
  const entries = nodes.map(([key, value]) => [
    compileNode(key, scope),
    compileNode(value, scope),
  ]) as [Code, Code][];
  return (frame) => {
    spend(frame, entries.length);
    return new Map(entries.map(([key, value]) => [key(frame), value(frame)]));
  };
}

function compileTernary([condition, yes, no]: [Node, Node, Node], scope: Scope): Code {
  const test = compileNode(condition, scope);
  const [left, right] = [compileNode(yes, scope), compileNode(no, scope)];
  return (frame) => (asBoolean(test(frame)) ? left(frame) : right(frame));
}

/** Either side that is `decisive` decides, even if the other fails. */
function compileLogical([left, right]: [Node, Node], scope: Scope, decisive: boolean): Code {
  const [first, second] = [compileNode(left, scope), compileNode(right, scope)];
  return (frame) => {
    const value = attempt(first, frame);
    if (value === decisive) return decisive;
    const other = asBoolean(second(frame));
    if (other === decisive || value === !decisive) return other;
    throw failure;
  };
}

/** undefined: it failed. @throws CelFailure exhausted */
export function attempt(code: Code, frame: Frame): boolean | undefined {
  try {
    return asBoolean(code(frame));
  } catch (error) {
    if (error !== failure) throw error;
    return undefined;
  }
}

function compileBinary({ op, args, checkedType }: Node, scope: Scope): Code {
  const [leftNode, rightNode] = args as [Node, Node];
  const [left, right] = [compileNode(leftNode, scope), compileNode(rightNode, scope)];
  switch (op) {
    case "==":
    case "!=": {
      for (const { checkedType: type } of [leftNode, rightNode])
        if (type?.kind === "message" && scope.schema.messages.has(type.name))
          throw new UnsupportedError(`${op} of messages is not supported`);
      const wanted = op === "==";
      return (frame) => isEqual(left(frame), right(frame), frame) === wanted;
    }
    case "in":
      return (frame) => isIn(left(frame), right(frame), frame);
    case "<":
    case "<=":
    case ">":
    case ">=": {
      const compare = comparison(op);
      return (frame) => compare(left(frame), right(frame));
    }
    case "+":
    case "-":
    case "*":
    case "/":
    case "%": {
      const apply = arithmetic(op, checkedType?.name === "uint" ? "uint" : "int");
      return (frame) => apply(left(frame), right(frame), frame);
    }
    default:
      throw new UnsupportedError(`operator ${op} is not supported`);
  }
}

function isIn(value: CelValue, where: CelValue, frame: Frame): boolean {
  if (where instanceof Map) return where.has(value);
  if (!Array.isArray(where)) throw failure;
  spend(frame, where.length);
  return where.some((item: CelValue) => isEqual(value, item, frame));
}
