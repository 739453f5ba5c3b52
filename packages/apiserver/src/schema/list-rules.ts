// Lists that are sets or maps (x-kubernetes-list-type): no item, or no key, twice.
import { field, type Cause } from "../errors.ts";
import { isRecord } from "../objects/json.ts";
import type { Schema } from "./structural.ts";

/** Items that a list of unique ones has more than once. */
export function duplicateCauses(schema: Schema, value: unknown, path = ""): Cause[] {
  if (Array.isArray(value)) {
    const items = isRecord(schema["items"]) ? schema["items"] : undefined;
    const causes = listCauses(schema, value, path);
    if (items)
      value.forEach((item, index) =>
        causes.push(...duplicateCauses(items, item, `${path}[${index}]`)),
      );
    return causes;
  }
  if (!isRecord(value)) return [];
  const { properties, additionalProperties } = schema;
  return Object.entries(value).flatMap(([name, part]) => {
    if (isRecord(properties) && Object.hasOwn(properties, name))
      return duplicateCauses(
        properties[name] as Schema,
        part,
        path === "" ? name : `${path}.${name}`,
      );
    return isRecord(additionalProperties)
      ? duplicateCauses(additionalProperties, part, `${path}[${name}]`)
      : [];
  });
}

function listCauses(schema: Schema, list: readonly unknown[], path: string): Cause[] {
  const type = schema["x-kubernetes-list-type"];
  if (type !== "set" && type !== "map") return [];
  const keys = Array.isArray(schema["x-kubernetes-list-map-keys"])
    ? (schema["x-kubernetes-list-map-keys"] as string[])
    : [];
  const seen = new Set<string>();
  return list.flatMap((item, index) => {
    const told =
      type === "set"
        ? item
        : Object.fromEntries(keys.map((key) => [key, isRecord(item) ? item[key] : undefined]));
    const text = canonical(told);
    if (!seen.has(text)) {
      seen.add(text);
      return [];
    }
    return [field.duplicate(`${path}[${index}]`, told)];
  });
}

/** One text for values that are equal, whatever the order of their fields. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    isRecord(part)
      ? Object.fromEntries(Object.entries(part).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}
