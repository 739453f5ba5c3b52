// Structural schemas (apiextensions.k8s.io/v1): which OpenAPI v3 schemas a CRD may carry.
import { field, type Cause } from "../errors.ts";
import { isRecord } from "../objects/json.ts";
import { extensionCauses } from "./extension-rules.ts";

export type Schema = { readonly [keyword: string]: unknown };

const types = ["object", "array", "string", "integer", "number", "boolean"];
const junctors = ["allOf", "anyOf", "oneOf"] as const;
const refused = [
  "$ref",
  "definitions",
  "dependencies",
  "patternProperties",
  "additionalItems",
  "id",
];
/** Keywords that shape the value: they have no place within junctors, where only constraints live. */
const shaping = [
  "type",
  "default",
  "additionalProperties",
  "nullable",
  "description",
  "title",
  "x-kubernetes-validations",
  "x-kubernetes-list-type",
  "x-kubernetes-list-map-keys",
  "x-kubernetes-map-type",
  "x-kubernetes-preserve-unknown-fields",
  "x-kubernetes-embedded-resource",
  "x-kubernetes-int-or-string",
];

/** Faults that make a schema non-structural. `path` leads to the schema in the CRD. */
export function structuralCauses(schema: unknown, path: string): Cause[] {
  const causes = levelCauses(schema, path, { root: true });
  if (isRecord(schema) && schema["type"] !== undefined && schema["type"] !== "object") {
    causes.push(field.invalid(`${path}.type`, schema["type"], "must be object at the root"));
  }
  return causes;
}

function levelCauses(schema: unknown, path: string, at: { readonly root: boolean }): Cause[] {
  if (!isRecord(schema)) return [field.invalid(path, schema, "must be a schema object")];
  const causes: Cause[] = [
    ...keywordCauses(schema, path),
    ...typeCauses(schema, path),
    ...extensionCauses(schema, path),
  ];
  if (schema["properties"] !== undefined && schema["additionalProperties"] !== undefined) {
    causes.push(
      field.forbidden(
        `${path}.additionalProperties`,
        "properties and additionalProperties exclude each other",
      ),
    );
  }
  if (at.root && isRecord(schema["properties"])) {
    const metadata = schema["properties"]["metadata"];
    const allowed = new Set(["type", "description", "properties", "maxLength", "pattern"]);
    if (isRecord(metadata) && Object.keys(metadata).some((keyword) => !allowed.has(keyword))) {
      causes.push(
        field.forbidden(
          `${path}.properties[metadata]`,
          "only name and generateName may be restricted",
        ),
      );
    }
  }
  for (const [name, child] of childSchemas(schema)) {
    causes.push(...levelCauses(child, `${path}.${name}`, { root: false }));
  }
  for (const junctor of junctors) {
    if (schema[junctor] === undefined) continue;
    if (!Array.isArray(schema[junctor])) {
      causes.push(
        field.invalid(`${path}.${junctor}`, schema[junctor], "must be a list of schemas"),
      );
      continue;
    }
    schema[junctor].forEach((branch: unknown, index) => {
      causes.push(...branchCauses(branch, `${path}.${junctor}[${index}]`, isIntOrString(schema)));
    });
  }
  if (schema["not"] !== undefined)
    causes.push(...branchCauses(schema["not"], `${path}.not`, false));
  return causes;
}

function keywordCauses(schema: Schema, path: string): Cause[] {
  const causes = refused
    .filter((keyword) => schema[keyword] !== undefined)
    .map((keyword) => field.forbidden(`${path}.${keyword}`, `${keyword} is not supported`));
  if (schema["uniqueItems"] === true) {
    causes.push(field.forbidden(`${path}.uniqueItems`, "uniqueItems cannot be set to true"));
  }
  if (schema["additionalProperties"] === false) {
    causes.push(
      field.forbidden(
        `${path}.additionalProperties`,
        "additionalProperties cannot be set to false",
      ),
    );
  }
  if (typeof schema["pattern"] === "string" && !isRegularExpression(schema["pattern"])) {
    causes.push(
      field.invalid(`${path}.pattern`, schema["pattern"], "must be a valid regular expression"),
    );
  }
  return causes;
}

function typeCauses(schema: Schema, path: string): Cause[] {
  const type = schema["type"];
  if (type === undefined || type === "") {
    const typeless =
      isIntOrString(schema) || schema["x-kubernetes-preserve-unknown-fields"] === true;
    return typeless
      ? []
      : [field.required(`${path}.type`, "must not be empty for specified object fields")];
  }
  if (isIntOrString(schema)) {
    return [field.forbidden(`${path}.type`, "must be empty if x-kubernetes-int-or-string is true")];
  }
  if (typeof type !== "string" || !types.includes(type)) {
    return [field.notSupported(`${path}.type`, type, types)];
  }
  if (type === "array" && !isRecord(schema["items"])) {
    return [field.required(`${path}.items`, "must be specified for arrays")];
  }
  return [];
}

/** Within a junctor nothing may be specified that shapes the value, only restricted. */
function branchCauses(branch: unknown, path: string, intOrString: boolean): Cause[] {
  if (!isRecord(branch)) return [field.invalid(path, branch, "must be a schema object")];
  const causes = shaping
    .filter((keyword) => branch[keyword] !== undefined && !(intOrString && keyword === "type"))
    .map((keyword) => field.forbidden(`${path}.${keyword}`, "must be undefined to be structural"));
  causes.push(
    ...keywordCauses(branch, path).filter((cause) => !causes.some((c) => c.field === cause.field)),
  );
  for (const [name, child] of childSchemas(branch))
    causes.push(...branchCauses(child, `${path}.${name}`, false));
  for (const junctor of junctors) {
    const branches = branch[junctor];
    if (!Array.isArray(branches)) continue;
    branches.forEach((inner: unknown, index) => {
      causes.push(...branchCauses(inner, `${path}.${junctor}[${index}]`, intOrString));
    });
  }
  return causes;
}

function childSchemas(schema: Schema): [string, unknown][] {
  const children: [string, unknown][] = [];
  if (isRecord(schema["properties"])) {
    for (const [name, child] of Object.entries(schema["properties"])) {
      children.push([`properties[${name}]`, child]);
    }
  }
  if (schema["items"] !== undefined) children.push(["items", schema["items"]]);
  if (isRecord(schema["additionalProperties"])) {
    children.push(["additionalProperties", schema["additionalProperties"]]);
  }
  return children;
}

export function isIntOrString(schema: Schema): boolean {
  return schema["x-kubernetes-int-or-string"] === true;
}

function isRegularExpression(pattern: string): boolean {
  try {
    new RegExp(pattern, "u");
    return true;
  } catch {
    return false;
  }
}
