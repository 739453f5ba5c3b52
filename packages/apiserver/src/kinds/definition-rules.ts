// What a definition's version may say beside its schema's shape: columns, selectable fields, defaults.
import { field, type Cause } from "../errors.ts";
import { cloneJson, isRecord, sameJson } from "../objects/json.ts";
import type { ApiObject } from "../objects/object.ts";
import { customValidatorFor } from "../schema/custom-validator.ts";
import { applySchema } from "../schema/prune.ts";
import type { Schema } from "../schema/structural.ts";
import { parseJsonPath } from "../table/json-path.ts";
import type { PrinterColumn } from "../table/printer-column.ts";

export type SelectableField = { readonly jsonPath: string };

/** Kubernetes' bound. */
const maxSelectableFields = 8;

export function columnCauses(columns: readonly PrinterColumn[] | undefined, at: string): Cause[] {
  return (columns ?? []).flatMap(({ jsonPath }, index) => {
    const path = `${at}.additionalPrinterColumns[${index}].jsonPath`;
    if (jsonPath === "") return [field.required(path)];
    if (!jsonPath.startsWith(".")) return [field.invalid(path, jsonPath, 'must begin with "."')];
    try {
      parseJsonPath(jsonPath);
      return [];
    } catch (error) {
      return [field.invalid(path, jsonPath, (error as Error).message)];
    }
  });
}

export function selectableCauses(
  selectable: readonly SelectableField[] | undefined,
  schema: Schema,
  at: string,
): Cause[] {
  const fields = selectable ?? [];
  const seen = new Set<string>();
  const causes = fields.flatMap(({ jsonPath }, index) => {
    const path = `${at}.selectableFields[${index}].jsonPath`;
    if (seen.has(jsonPath)) return [field.duplicate(path, jsonPath)];
    seen.add(jsonPath);
    const fault = selectableFault(jsonPath, schema);
    return fault === undefined ? [] : [field.invalid(path, jsonPath, fault)];
  });
  if (fields.length > maxSelectableFields) {
    const why = `must have at most ${maxSelectableFields} items`;
    causes.push(field.invalid(`${at}.selectableFields`, fields.length, why));
  }
  return causes;
}

function selectableFault(jsonPath: string, schema: Schema): string | undefined {
  if (!/^(\.[A-Za-z_][\w-]*)+$/.test(jsonPath))
    return "is an invalid path: a simple path is needed";
  const [first = "", ...rest] = jsonPath.slice(1).split(".");
  if (["metadata", "apiVersion", "kind"].includes(first))
    return "must not point to fields in metadata";
  let found: unknown = schema;
  for (const name of [first, ...rest]) {
    const properties: unknown = isRecord(found) ? found["properties"] : undefined;
    found = isRecord(properties) && Object.hasOwn(properties, name) ? properties[name] : undefined;
  }
  if (!isRecord(found)) return "is an invalid path: does not refer to a valid field";
  const scalar = ["string", "boolean", "integer"].includes(String(found["type"]));
  return scalar ? undefined : "must point to a field of type string, boolean or integer";
}

/** How a selectable field is read, by the name that selectors call it. */
export function selectableReaders(
  fields: readonly SelectableField[] | undefined,
): Record<string, (object: ApiObject) => string> {
  return Object.fromEntries(
    (fields ?? []).map(({ jsonPath }) => {
      const read = parseJsonPath(jsonPath);
      const text = (object: ApiObject) => {
        const [value] = read(object);
        return value === undefined || value === null || typeof value === "object"
          ? ""
          : String(value as string);
      };
      return [jsonPath.slice(1), text];
    }),
  );
}

/** Defaults must be values that the schema takes, whole. */
export function defaultCauses(schema: Schema, path: string): Cause[] {
  const causes: Cause[] = [];
  if (schema["default"] !== undefined && schema["default"] !== null) {
    const at = `${path}.default`;
    const { default: value, ...rest } = schema;
    // A default is judged as the only field of an object: where it is used, too, it is a field of one.
    const holder = { value: cloneJson(value) };
    const within = { type: "object", properties: { value: rest } };
    applySchema(within, holder, { prune: true });
    if (!sameJson(keptBy(value, holder.value), value))
      causes.push(field.invalid(at, value, "must not have unknown fields"));
    for (const { message } of customValidatorFor(within)({ value }))
      causes.push({ reason: "FieldValueInvalid", message, field: at });
  }
  for (const [keyword, part] of Object.entries(schema)) {
    if (keyword === "properties" && isRecord(part)) {
      for (const [name, child] of Object.entries(part))
        causes.push(...defaultCauses(child as Schema, `${path}.properties[${name}]`));
    } else if ((keyword === "items" || keyword === "additionalProperties") && isRecord(part)) {
      causes.push(...defaultCauses(part, `${path}.${keyword}`));
    }
  }
  return causes;
}

/** What of a value has stayed, without what defaulting has added. */
function keptBy(value: unknown, pruned: unknown): unknown {
  if (Array.isArray(value) && Array.isArray(pruned))
    return value.map((item, index) => keptBy(item, pruned[index]));
  if (!isRecord(value) || !isRecord(pruned)) return pruned;
  return Object.fromEntries(
    Object.keys(value)
      .filter((name) => name in pruned)
      .map((name) => [name, keptBy(value[name], pruned[name])]),
  );
}
