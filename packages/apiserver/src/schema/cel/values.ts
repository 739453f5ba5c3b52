// From JSON to what CEL expressions see, as a structural schema tells it: integers are int, times are timestamps, fields
// have names that expressions can say.
import { isRecord } from "../../objects/json.ts";
import { isIntOrString, type Schema } from "../structural.ts";
import { newEnvironment } from "./environment.ts";

/** Words that CEL keeps for itself: a field of that name is said `__name__`. */
const reserved: ReadonlySet<string> = new Set(
  "true false null in as break const continue else for function if import let loop package namespace return var void while".split(
    " ",
  ),
);

/** The name by which an expression says a property. */
export function escapeName(name: string): string | undefined {
  if (reserved.has(name)) return `__${name}__`;
  const escaped = name
    .replaceAll("__", "__underscores__")
    .replaceAll(".", "__dot__")
    .replaceAll("-", "__dash__")
    .replaceAll("/", "__slash__");
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(escaped) ? escaped : undefined;
}

/** A value that is valid by its schema. @param root the object itself, of whose metadata only the names are seen */
export function toCel(schema: Schema, value: unknown, root = false): unknown {
  if (value === null || value === undefined) return null;
  if (isIntOrString(schema)) return typeof value === "number" ? BigInt(Math.trunc(value)) : value;
  if (typeof value === "number")
    return schema["type"] === "integer" || (schema["type"] === undefined && Number.isInteger(value))
      ? BigInt(Math.trunc(value))
      : value;
  if (typeof value === "string") return textToCel(schema["format"], value);
  if (Array.isArray(value)) {
    const items = isRecord(schema["items"]) ? schema["items"] : {};
    return value.map((item) => toCel(items, item));
  }
  return isRecord(value) ? objectToCel(schema, value, root) : value;
}

function objectToCel(schema: Schema, value: Record<string, unknown>, root: boolean): unknown {
  const { properties, additionalProperties } = schema;
  if (isRecord(additionalProperties) && !isRecord(properties)) {
    return new Map(
      Object.entries(value).map(([key, part]) => [key, toCel(additionalProperties, part)]),
    );
  }
  const known = isRecord(properties) ? properties : {};
  const isResource = root || schema["x-kubernetes-embedded-resource"] === true;
  const seen: [string, unknown][] = [];
  for (const [name, part] of Object.entries(value)) {
    const said = escapeName(name);
    if (said === undefined) continue;
    // Null is a value only where the schema allows it; elsewhere it was dropped or replaced.
    if (isResource && name === "metadata") seen.push([said, namesOf(part)]);
    else if (Object.hasOwn(known, name)) seen.push([said, toCel(known[name] as Schema, part)]);
    else if (isResource && (name === "apiVersion" || name === "kind")) seen.push([said, part]);
  }
  return new Map(seen);
}

function namesOf(metadata: unknown): unknown {
  const { name, generateName } = isRecord(metadata) ? metadata : {};
  return new Map(
    Object.entries({ name, generateName }).filter(([, value]) => typeof value === "string"),
  );
}

function textToCel(format: unknown, value: string): unknown {
  switch (format) {
    case "date":
    case "date-time":
      return new Date(value);
    case "byte":
      return new Uint8Array(Buffer.from(value, "base64"));
    case "duration":
      return toDuration(value);
    default:
      return value;
  }
}

let durations: ((text: string) => unknown) | undefined;

/** CEL's own value of "1h30m"; the text itself where it is none. */
function toDuration(text: string): unknown {
  if (!durations) {
    const parsed = newEnvironment().registerVariable("text", "string").parse("duration(text)");
    durations = (value) => parsed({ text: value });
  }
  try {
    return durations(text);
  } catch {
    return text;
  }
}
