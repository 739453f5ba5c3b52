// Fields of an object that its schema does not name. Read without them a policy would say something else than its author
// meant, so that each is a fault; the parser sees to those that it reads, this to all others.
import type { JsonSchema } from "@tsilium/kube";
import type { Problem } from "@tsilium/policy";
import { suggest } from "@tsilium/runtime/config.ts";

/** An object of nothing but such fields is told this many. */
const maxProblems = 100;
/** Longer names than any field's are not compared with them. */
const longestName = 60;

/** @param schema of an object; where it names no fields, any may be */
export function unknownFields(schema: JsonSchema, object: unknown): readonly Problem[] {
  const problems: Problem[] = [];
  const apart = new Set(["metadata", "status"]);
  visit(schema, isFields(object) ? without(object, apart) : object, { path: "", problems });
  return problems;
}

type At = { readonly path: string; readonly problems: Problem[] };

function visit(schema: JsonSchema, value: unknown, at: At): void {
  if (at.problems.length >= maxProblems) return;
  if (Array.isArray(value)) {
    const { items } = schema;
    if (isFields(items))
      value.forEach((item, index) => visit(items, item, { ...at, path: `${at.path}[${index}]` }));
  } else if (isFields(value) && isFields(schema["properties"])) {
    visitFields(schema["properties"], value, at);
  }
}

/** Kubernetes reads null as "not set". */
function visitFields(known: Fields, object: Fields, at: At): void {
  for (const [name, value] of Object.entries(object)) {
    if (value === null || value === undefined) continue;
    const path = at.path === "" ? name : `${at.path}.${name}`;
    const schema = Object.hasOwn(known, name) ? known[name] : undefined;
    if (isFields(schema)) visit(schema, value, { ...at, path });
    else if (at.problems.length < maxProblems)
      at.problems.push({ path, message: unknown(name, Object.keys(known)) });
  }
}

function unknown(name: string, known: readonly string[]): string {
  const nearest = name.length <= longestName ? suggest(name, known) : undefined;
  return nearest ? `unknown field, did you mean "${nearest}"?` : "unknown field";
}

type Fields = Readonly<Record<string, unknown>>;

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function without(object: Fields, names: ReadonlySet<string>): Fields {
  return Object.fromEntries(Object.entries(object).filter(([name]) => !names.has(name)));
}
