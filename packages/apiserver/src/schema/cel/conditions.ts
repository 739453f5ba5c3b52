// matchConditions of webhooks: CEL over the request and its objects.
import { compile, newEnvironment, type Compiled } from "./environment.ts";
import { longestText, Meter } from "./meter.ts";

/** Nodes that one condition may take. */
const budget = 1_000_000;

const compiled = new Map<string, Compiled>();
const maxCompiled = 500;

/** Why an expression is no condition, or undefined. */
export function conditionFault(source: string): string | undefined {
  return conditionOf(source).fault;
}

/**
 * Does the condition hold? Objects are as JSON has them, all without types.
 * @throws Error what is wrong with the expression or with what it meets
 */
export function holds(source: string, variables: Readonly<Record<string, unknown>>): boolean {
  const condition = conditionOf(source);
  if (condition.fault !== undefined) throw new Error(condition.fault);
  const meter = new Meter(budget, longestText(variables));
  return condition.expression.evaluate(untyped(variables), meter) === true;
}

function conditionOf(source: string): Compiled {
  const known = compiled.get(source);
  if (known) return known;
  const environment = newEnvironment()
    .registerVariable("object", "dyn")
    .registerVariable("oldObject", "dyn")
    .registerVariable("request", "dyn");
  const made = compile(source, { checked: environment, type: "bool" });
  const [oldest] = compiled.keys();
  if (oldest !== undefined && compiled.size >= maxCompiled) compiled.delete(oldest);
  compiled.set(source, made);
  return made;
}

function untyped(variables: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(variables).map(([name, value]) => [name, toDyn(value)]));
}

/** JSON's numbers: whole ones are int, as Go's decoder has them. */
function toDyn(value: unknown): unknown {
  if (value === undefined) return null;
  if (typeof value === "number") return Number.isSafeInteger(value) ? BigInt(value) : value;
  if (Array.isArray(value)) return value.map(toDyn);
  if (typeof value === "object" && value !== null)
    return new Map(Object.entries(value).map(([key, part]) => [key, toDyn(part)]));
  return value;
}
