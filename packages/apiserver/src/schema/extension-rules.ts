// Kubernetes' own keywords in a structural schema: which stand where.
import { field, type Cause } from "../errors.ts";
import { isRecord } from "../objects/json.ts";
import type { Schema } from "./structural.ts";

/** Faults of one level's x-kubernetes- keywords. */
export function extensionCauses(schema: Schema, path: string): Cause[] {
  return [
    ...preserveCauses(schema, path),
    ...embeddedCauses(schema, path),
    ...listCauses(schema, path),
    ...mapCauses(schema, path),
  ];
}

function preserveCauses(schema: Schema, path: string): Cause[] {
  const value = schema["x-kubernetes-preserve-unknown-fields"];
  return value === undefined || value === true
    ? []
    : [
        field.invalid(
          `${path}.x-kubernetes-preserve-unknown-fields`,
          value,
          "must be true or undefined",
        ),
      ];
}

function embeddedCauses(schema: Schema, path: string): Cause[] {
  if (schema["x-kubernetes-embedded-resource"] !== true) return [];
  if (schema["type"] !== "object")
    return [
      field.invalid(
        `${path}.type`,
        schema["type"],
        "must be object if x-kubernetes-embedded-resource is true",
      ),
    ];
  const open = schema["x-kubernetes-preserve-unknown-fields"] === true;
  return open || isRecord(schema["properties"])
    ? []
    : [
        field.required(
          `${path}.properties`,
          "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields",
        ),
      ];
}

function listCauses(schema: Schema, path: string): Cause[] {
  const type = schema["x-kubernetes-list-type"];
  const keys = schema["x-kubernetes-list-map-keys"];
  const at = `${path}.x-kubernetes-list-type`;
  if (type === undefined)
    return keys === undefined
      ? []
      : [field.required(at, "must be map if x-kubernetes-list-map-keys is non-empty")];
  if (!["atomic", "set", "map"].includes(String(type)))
    return [field.notSupported(at, type, ["atomic", "set", "map"])];
  if (schema["type"] !== "array")
    return [
      field.invalid(
        `${path}.type`,
        schema["type"],
        "must be array if x-kubernetes-list-type is specified",
      ),
    ];
  const items = isRecord(schema["items"]) ? schema["items"] : {};
  if (type === "set") return setCauses(items, path);
  if (type !== "map")
    return keys === undefined
      ? []
      : [field.invalid(at, type, "must be map if x-kubernetes-list-map-keys is non-empty")];
  return keyCauses(items, keys, path);
}

/** Items of a set are compared whole: scalars, or what is owned whole. */
function setCauses(items: Schema, path: string): Cause[] {
  const whole =
    (items["type"] === "object" && items["x-kubernetes-map-type"] === "atomic") ||
    (items["type"] === "array" && (items["x-kubernetes-list-type"] ?? "atomic") === "atomic") ||
    !["object", "array"].includes(String(items["type"]));
  if (items["nullable"] === true)
    return [
      field.forbidden(
        `${path}.items.nullable`,
        "cannot be nullable when x-kubernetes-list-type is set",
      ),
    ];
  if (whole) return [];
  const why = "must be atomic as item of a list with x-kubernetes-list-type=set";
  return [
    field.invalid(`${path}.items.x-kubernetes-map-type`, items["x-kubernetes-map-type"], why),
  ];
}

function keyCauses(items: Schema, keys: unknown, path: string): Cause[] {
  const at = `${path}.x-kubernetes-list-map-keys`;
  if (!Array.isArray(keys) || keys.length === 0)
    return [field.required(at, "must not be empty if x-kubernetes-list-type is map")];
  if (items["type"] !== "object")
    return [
      field.invalid(
        `${path}.items.type`,
        items["type"],
        "must be object if parent array's x-kubernetes-list-type is map",
      ),
    ];
  const properties = isRecord(items["properties"]) ? items["properties"] : {};
  const required = Array.isArray(items["required"]) ? items["required"] : [];
  return keys.flatMap((key: unknown, index) => {
    const name = String(key);
    const property = Object.hasOwn(properties, name) ? (properties[name] as Schema) : undefined;
    if (!property)
      return [
        field.invalid(`${at}[${index}]`, key, "entries must all be names of item properties"),
      ];
    if (["object", "array"].includes(String(property["type"])))
      return [
        field.invalid(
          `${path}.items.properties[${name}].type`,
          property["type"],
          "must be a scalar type if parent array's x-kubernetes-list-type is map",
        ),
      ];
    return required.includes(name) || property["default"] !== undefined
      ? []
      : [
          field.required(
            `${path}.items.properties[${name}].default`,
            "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property",
          ),
        ];
  });
}

function mapCauses(schema: Schema, path: string): Cause[] {
  const type = schema["x-kubernetes-map-type"];
  if (type === undefined) return [];
  if (type !== "atomic" && type !== "granular")
    return [field.notSupported(`${path}.x-kubernetes-map-type`, type, ["atomic", "granular"])];
  return schema["type"] === "object"
    ? []
    : [
        field.invalid(
          `${path}.type`,
          schema["type"],
          "must be object if x-kubernetes-map-type is specified",
        ),
      ];
}
