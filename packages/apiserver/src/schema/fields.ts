// What a sent object has that its type does not: fields nobody knows (Kubernetes' field validation), and values that
// could not be decoded into the types of a built-in kind.
import { isRecord } from "../objects/json.ts";
import { resolved } from "./api-types/definitions.ts";
import type { Schema } from "./structural.ts";

export type FieldReport = {
  /** Paths of fields that the schema does not name. */
  readonly unknown: readonly string[];
  /** Why Kubernetes' decoder would not take the object, where types are asked for. */
  readonly fault: string | undefined;
};

export type FieldOptions = {
  /** Whether values must have their types, as those of built-in kinds: schemas judge the others. */
  readonly types: boolean;
  /** Whether unknown fields are dropped, in place. */
  readonly drop: boolean;
};

/** Unknown fields beyond so many are not told. */
const maxUnknown = 20;

/** Looks through an object by its kind's schema. */
export function readFields(
  schema: Schema,
  object: Record<string, unknown>,
  options: FieldOptions,
): FieldReport {
  const reader = new Reader(options);
  reader.value(schema, object, { path: "", field: "", owner: "" });
  return { unknown: reader.unknown, fault: reader.fault };
}

type Where = {
  /** "spec.containers[0].name", as messages about fields have it. */
  readonly path: string;
  /** "spec.containers.name", as the decoder has it. */
  readonly field: string;
  /** The type that the field belongs to. */
  readonly owner: string;
};

class Reader {
  readonly unknown: string[] = [];
  fault: string | undefined;
  readonly #options: FieldOptions;

  constructor(options: FieldOptions) {
    this.#options = options;
  }

  value(schema: Schema, value: unknown, where: Where): void {
    if (value === null || value === undefined) return;
    const type = resolved(schema);
    if (this.#options.types) {
      const fault = typeFault(schema, type, value);
      if (fault !== undefined) {
        this.fault ??= `json: cannot unmarshal ${fault.is} into Go struct field ${where.owner}.${where.field} of type ${fault.wanted}`;
        return;
      }
      if (type["format"] === "byte") this.fault ??= base64Fault(value as string);
    }
    if (Array.isArray(value)) {
      const { items } = type;
      if (isRecord(items))
        value.forEach((item, index) =>
          this.value(items, item, { ...where, path: `${where.path}[${index}]` }),
        );
    } else if (isRecord(value)) {
      this.#object(schema, type, value, where);
    }
  }

  #object(schema: Schema, type: Schema, value: Record<string, unknown>, where: Where): void {
    const { properties, additionalProperties } = type;
    const known = isRecord(properties) ? properties : {};
    const open =
      type["x-kubernetes-preserve-unknown-fields"] === true || additionalProperties === true;
    const owner = typeOf(schema) ?? where.owner;
    const ofResource = type["x-kubernetes-embedded-resource"] === true;
    for (const name of Object.keys(value)) {
      const at = {
        path: where.path === "" ? name : `${where.path}.${name}`,
        field: where.field === "" ? name : `${where.field}.${name}`,
        owner,
      };
      if (Object.hasOwn(known, name)) this.value(known[name] as Schema, value[name], at);
      else if (isRecord(additionalProperties)) this.value(additionalProperties, value[name], at);
      else if (!open && !(ofResource && resourceFields.has(name))) this.#drop(value, name, at.path);
    }
  }

  #drop(value: Record<string, unknown>, name: string, path: string): void {
    if (this.unknown.length < maxUnknown) this.unknown.push(path);
    if (this.#options.drop) delete value[name];
  }
}

const resourceFields: ReadonlySet<string> = new Set(["apiVersion", "kind", "metadata"]);

/** What the decoder says of text that is no base64; of the text itself it says nothing. */
function base64Fault(text: string): string | undefined {
  const packed = text.replaceAll(/[\r\n]/g, "");
  if (packed.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(packed)) return undefined;
  const wrong = packed.search(/[^A-Za-z0-9+/]/);
  return `illegal base64 data at input byte ${wrong < 0 ? packed.length - (packed.length % 4) : wrong}`;
}

type Fault = { readonly is: string; readonly wanted: string };

function typeFault(schema: Schema, type: Schema, value: unknown): Fault | undefined {
  const wanted = goType(schema);
  const is = jsonType(value);
  if (wanted === "any" || fits(type, value, wanted)) return undefined;
  return {
    is: is === "number" && wanted.startsWith("int") ? `number ${String(value)}` : is,
    wanted,
  };
}

function fits(type: Schema, value: unknown, wanted: string): boolean {
  if (wanted === "resource.Quantity" || wanted === "intstr.IntOrString")
    return typeof value === "string" || typeof value === "number";
  switch (type["type"]) {
    case "string":
    case "boolean":
      return typeof value === type["type"];
    case "integer":
      return Number.isInteger(value);
    case "number":
      return typeof value === "number";
    case "array":
      return Array.isArray(value);
    case "object":
      return isRecord(value);
    default:
      return true;
  }
}

function jsonType(value: unknown): string {
  if (Array.isArray(value)) return "array";
  return typeof value === "boolean" ? "bool" : typeof value;
}

/** The type as Go's messages name it: "int32", "[]v1.Container", "map[string]string". */
function goType(schema: Schema): string {
  const name = referenceOf(schema);
  if (name !== undefined) {
    const parts = name.split(".");
    return parts
      .slice(-2)
      .join(".")
      .replace(/^meta\./, "");
  }
  const { type, format, items, additionalProperties } = schema;
  if (type === "array" && isRecord(items)) return `[]${goType(items)}`;
  if (type === "object" && isRecord(additionalProperties))
    return `map[string]${goType(additionalProperties)}`;
  if (type === "integer") return typeof format === "string" ? format : "int64";
  if (type === "boolean") return "bool";
  if (type === "number") return "float64";
  return type === "string" ? (format === "byte" ? "[]uint8" : "string") : "any";
}

function typeOf(schema: Schema): string | undefined {
  return referenceOf(schema)?.split(".").at(-1);
}

function referenceOf(schema: Schema): string | undefined {
  const [only] = Array.isArray(schema["allOf"]) ? (schema["allOf"] as Schema[]) : [];
  const reference = schema["$ref"] ?? only?.["$ref"];
  return typeof reference === "string" ? reference : undefined;
}
