// Validation by ajv: an OpenAPI v3 schema of Kubernetes' flavour in, causes with field paths out.
import { Ajv, type ErrorObject, type ValidateFunction } from "ajv";
import { field, type Cause } from "../errors.ts";
import { isRecord } from "../objects/json.ts";
import { formats } from "./formats.ts";
import { SharedParts } from "./shared-parts.ts";
import { isIntOrString, type Schema } from "./structural.ts";

/** Causes of an object's faults by its schema; empty when it is valid. `before` is the state that it replaces. */
export type Validator = (object: unknown, before?: unknown) => Cause[];

/** More than this many faults of one object are not told. */
const maxCauses = 10;

const options = { strict: false, allErrors: true, verbose: true, formats, logger: false } as const;

/** A validator for a schema that is known to be good. It is compiled when it is first needed. */
export function validatorFor(schema: Schema): Validator {
  let validate: ValidateFunction | undefined;
  return (object) => causesOf((validate ??= compile(schema)), object);
}

/** By the schema's text: a definition's is compiled when it is judged, and again when its kind is first written. */
const compiled = new Map<string, ValidateFunction>();
const maxCompiled = 50;

/** One instance per schema: ajv never forgets what an instance has compiled. */
function compile(schema: Schema): ValidateFunction {
  const text = JSON.stringify(schema);
  const known = compiled.get(text);
  if (known) return known;
  const ajv = new Ajv({ ...options, meta: false, validateSchema: false });
  const validate = ajv.compile(toJsonSchema(schema));
  const [oldest] = compiled.keys();
  if (oldest !== undefined && compiled.size >= maxCompiled) compiled.delete(oldest);
  compiled.set(text, validate);
  return validate;
}

let metaSchema: Ajv | undefined;

/** Why a schema cannot be used, in ajv's words; undefined when it can. */
export function schemaFault(schema: Schema): string | undefined {
  metaSchema ??= new Ajv(options);
  const converted = toJsonSchema(schema);
  if (!metaSchema.validateSchema(converted)) return metaSchema.errorsText(metaSchema.errors);
  try {
    compile(schema);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

function causesOf(validate: ValidateFunction, object: unknown): Cause[] {
  if (validate(object)) return [];
  const causes = new Map<string, Cause>();
  for (const error of validate.errors ?? []) {
    // What failed within a junctor is told by the junctor's own error.
    if (/\/(anyOf|oneOf|allOf\/\d+\/(anyOf|oneOf)|not)\/\d+/.test(error.schemaPath)) continue;
    const cause = toCause(error);
    if (!causes.has(`${cause.field} ${cause.message}`))
      causes.set(`${cause.field} ${cause.message}`, cause);
    if (causes.size >= maxCauses) break;
  }
  if (causes.size === 0)
    return [field.invalid("", undefined, validate.errors?.[0]?.message ?? "is not valid")];
  return [...causes.values()];
}

function toCause(error: ErrorObject): Cause {
  const path = fieldPath(error.instancePath);
  const params = error.params as Record<string, unknown>;
  switch (error.keyword) {
    case "required":
      return field.required(joinPath(path, String(params["missingProperty"])));
    case "enum":
      return field.notSupported(
        path,
        error.data,
        (params["allowedValues"] as unknown[]).map(String),
      );
    case "type":
      return {
        reason: "FieldValueTypeInvalid",
        message: `Invalid value: ${JSON.stringify(typeOf(error.data))}: ${path} in body must be of type ${String(params["type"])}: ${JSON.stringify(typeOf(error.data))}`,
        field: path,
      };
    case "additionalProperties":
      return field.forbidden(joinPath(path, String(params["additionalProperty"])), "unknown field");
    case "anyOf":
    case "oneOf":
      return field.invalid(path, error.data, junctorText(error));
    default:
      return field.invalid(path, error.data, error.message ?? error.keyword);
  }
}

function junctorText({ keyword, parentSchema, schema }: ErrorObject): string {
  if (parentSchema?.["x-int-or-string"] === true) return "must be an integer or a string";
  const branches = schema as Schema[];
  const many = keyword === "anyOf" ? "at least one" : "exactly one";
  const fields = branches.flatMap((branch) => branch["required"] ?? []);
  if (fields.length === branches.length) return `must have ${many} of ${fields.join(", ")}`;
  const formats = branches.flatMap((branch) => branch["format"] ?? []);
  if (formats.length === branches.length) return `must be of format ${formats.join(" or ")}`;
  return `must validate ${many} schema (${keyword})`;
}

/** "/spec/ports/0/port" -> "spec.ports[0].port" */
export function fieldPath(jsonPointer: string): string {
  return jsonPointer
    .split("/")
    .slice(1)
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"))
    .reduce((path, part) => (/^\d+$/.test(part) ? `${path}[${part}]` : joinPath(path, part)), "");
}

function joinPath(path: string, name: string): string {
  if (!/^[A-Za-z_][\w-]*$/.test(name)) return `${path}[${name}]`;
  return path === "" ? name : `${path}.${name}`;
}

function typeOf(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "array" : typeof value;
}

/** Kubernetes' OpenAPI 3.0 dialect in JSON Schema's words. Kubernetes' extensions ajv knows nothing of are dropped. */
function toJsonSchema(schema: Schema): Record<string, unknown> {
  const parts = new SharedParts();
  const shared: Converter = (part) => parts.share(convert(part, shared));
  return { ...convert(schema, shared), definitions: parts.definitions() };
}

type Converter = (schema: Schema) => Record<string, unknown>;

/** @param child what becomes of the schemas within; junctors' stay where they are, since `causesOf` tells them by path. */
function convert(schema: Schema, child: Converter): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  const within: Converter = (branch) => convert(branch, within);
  for (const [keyword, value] of Object.entries(schema)) {
    if (keyword === "properties" && isRecord(value)) {
      result["properties"] = Object.fromEntries(
        Object.entries(value).map(([name, property]) => [name, child(property as Schema)]),
      );
    } else if (["items", "additionalProperties"].includes(keyword) && isRecord(value)) {
      result[keyword] = child(value);
    } else if (keyword === "not" && isRecord(value)) {
      result[keyword] = within(value);
    } else if (["allOf", "anyOf", "oneOf"].includes(keyword) && Array.isArray(value)) {
      result[keyword] = value.map((branch: Schema) => within(branch));
    } else if (!keyword.startsWith("x-kubernetes-") && !annotations.has(keyword)) {
      result[keyword] = value;
    }
  }
  boolBound(result, "exclusiveMinimum", "minimum");
  boolBound(result, "exclusiveMaximum", "maximum");
  if (isIntOrString(schema)) {
    result["anyOf"] = [{ type: "integer" }, { type: "string" }];
    result["x-int-or-string"] = true;
  }
  if (schema["nullable"] === true && typeof result["type"] === "string") {
    result["type"] = [result["type"], "null"];
    if (Array.isArray(result["enum"])) result["enum"] = [...(result["enum"] as unknown[]), null];
  }
  return result;
}

const annotations = new Set([
  "description",
  "title",
  "example",
  "externalDocs",
  "nullable",
  "default",
]);

/** OpenAPI 3.0: `exclusiveMinimum: true` qualifies `minimum`; in JSON Schema it is the bound itself. */
function boolBound(schema: Record<string, unknown>, exclusive: string, bound: string): void {
  if (schema[exclusive] === true) {
    schema[exclusive] = schema[bound];
    delete schema[bound];
  } else if (schema[exclusive] === false) {
    delete schema[exclusive];
  }
}
