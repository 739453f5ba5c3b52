// Defaulting and pruning by a structural schema: what the server does to an object before it judges it.
import { cloneJson, isRecord } from "../objects/json.ts";
import type { Schema } from "./structural.ts";

export type PruneOptions = {
  /** Drop fields that the schema does not name. Built-in kinds keep them; custom resources do not. */
  readonly prune: boolean;
};

/**
 * Fills defaults and drops unknown fields, in place. Nulls where a default exists and null is not allowed
 * are replaced by the default, as Kubernetes does. The root's apiVersion, kind and metadata are left alone.
 */
export function applySchema(
  schema: Schema,
  root: Record<string, unknown>,
  options: PruneOptions,
): void {
  const { apiVersion, kind, metadata } = root;
  visitObject(schema, root, options, new Set(["apiVersion", "kind", "metadata"]));
  Object.assign(root, { apiVersion, kind, metadata });
}

const none: ReadonlySet<string> = new Set();
const embedded: ReadonlySet<string> = new Set(["apiVersion", "kind", "metadata"]);

function visit(schema: Schema, value: unknown, options: PruneOptions): void {
  if (Array.isArray(value)) {
    const items = schema["items"];
    if (isRecord(items)) for (const item of value) visit(items, item, options);
  } else if (isRecord(value)) {
    const kept = schema["x-kubernetes-embedded-resource"] === true ? embedded : none;
    visitObject(schema, value, options, kept);
  }
}

function visitObject(
  schema: Schema,
  value: Record<string, unknown>,
  options: PruneOptions,
  kept: ReadonlySet<string>,
): void {
  const properties = isRecord(schema["properties"]) ? schema["properties"] : {};
  const additional = schema["additionalProperties"];
  for (const [name, child] of Object.entries(properties)) {
    if (isRecord(child) && !kept.has(name)) setDefault(value, name, child);
  }
  for (const name of Object.keys(value)) {
    if (kept.has(name)) continue;
    const child = Object.hasOwn(properties, name) ? properties[name] : additional;
    if (isRecord(child)) visit(child, value[name], options);
    else if (child === undefined && options.prune && !preservesUnknown(schema)) delete value[name];
  }
}

function setDefault(value: Record<string, unknown>, name: string, schema: Schema): void {
  const absent = value[name] === undefined || (value[name] === null && schema["nullable"] !== true);
  if (!absent) return;
  if (schema["default"] !== undefined) value[name] = cloneJson(schema["default"]);
}

function preservesUnknown(schema: Schema): boolean {
  return schema["x-kubernetes-preserve-unknown-fields"] === true;
}
