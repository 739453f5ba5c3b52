// Kubernetes' own types as OpenAPI schemas, by their full names ("io.k8s.api.core.v1.Pod"). A reference is
// { $ref: "full name" }; documents write their own prefix before it.
import type { Schema } from "../structural.ts";
import { describeField, describeType } from "./descriptions.ts";
import { isAtomicType, listRule } from "./list-rules.ts";
import { apiTypes } from "./types.gen.ts";

const metaPackage = "io.k8s.apimachinery.pkg.apis.meta.v1";
export const objectMetaName = `${metaPackage}.ObjectMeta`;
export const listMetaName = `${metaPackage}.ListMeta`;

/** Types that are written as one value. */
const scalars: Readonly<Record<string, Schema>> = {
  [`${metaPackage}.Time`]: { type: "string", format: "date-time" },
  [`${metaPackage}.MicroTime`]: { type: "string", format: "date-time" },
  "io.k8s.apimachinery.pkg.util.intstr.IntOrString": { type: "string", format: "int-or-string" },
  "io.k8s.apimachinery.pkg.api.resource.Quantity": { type: "string" },
};

const packages: Readonly<Record<string, string>> = {
  "": "io.k8s.api.core",
  "admissionregistration.k8s.io": "io.k8s.api.admissionregistration",
  "apiextensions.k8s.io": "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions",
  "authentication.k8s.io": "io.k8s.api.authentication",
  "authorization.k8s.io": "io.k8s.api.authorization",
  "coordination.k8s.io": "io.k8s.api.coordination",
  "discovery.k8s.io": "io.k8s.api.discovery",
  "events.k8s.io": "io.k8s.api.events",
  "meta.k8s.io": "io.k8s.apimachinery.pkg.apis.meta",
  "networking.k8s.io": "io.k8s.api.networking",
  apps: "io.k8s.api.apps",
  autoscaling: "io.k8s.api.autoscaling",
  batch: "io.k8s.api.batch",
};

/** The full name of a built-in type, undefined when it is none. */
export function builtinName(group: string, version: string, kind: string): string | undefined {
  const name = `${Object.hasOwn(packages, group) ? packages[group] : undefined}.${version}.${kind}`;
  return definitionOf(name) ? name : undefined;
}

const made = new Map<string, Schema | undefined>();

/** A type's schema; the types of its fields are references. */
export function definitionOf(name: string): Schema | undefined {
  if (!made.has(name)) made.set(name, make(name));
  return made.get(name);
}

/** What a reference stands for; a schema that is none, itself. */
export function resolved(schema: Schema): Schema {
  const [only] = Array.isArray(schema["allOf"]) ? (schema["allOf"] as Schema[]) : [];
  const reference = schema["$ref"] ?? only?.["$ref"];
  return typeof reference === "string" ? (definitionOf(reference) ?? schema) : schema;
}

function make(name: string): Schema | undefined {
  if (Object.hasOwn(scalars, name)) return scalars[name];
  const dot = name.lastIndexOf(".");
  const types = apiTypes[name.slice(0, dot)];
  const type = name.slice(dot + 1);
  const fields = types && Object.hasOwn(types, type) ? types[type] : undefined;
  if (!fields) return undefined;
  const required = Object.keys(fields).filter((key) => key.endsWith("!"));
  const properties = Object.entries(fields).map(([key, text]) => {
    const field = key.replace(/!$/, "");
    return [field, fieldSchema(type, field, text)] as const;
  });
  return {
    description: describeType(type),
    type: "object",
    ...(required.length > 0 ? { required: required.map((key) => key.slice(0, -1)) } : {}),
    properties: Object.fromEntries(properties),
    ...(isAtomicType(type) ? { "x-kubernetes-map-type": "atomic" } : {}),
  };
}

function fieldSchema(type: string, field: string, text: string): Schema {
  const description = describeField(type, field);
  const schema = typeSchema(text);
  const rule = listRule(type, field);
  return {
    ...(description === undefined ? {} : { description }),
    ...(schema["$ref"] && (description !== undefined || rule) ? { allOf: [schema] } : schema),
    ...(rule?.list ? { "x-kubernetes-list-type": rule.list } : {}),
    ...(rule?.keys ? { "x-kubernetes-list-map-keys": rule.keys } : {}),
    ...(rule?.map ? { "x-kubernetes-map-type": rule.map } : {}),
    ...(rule?.mergeKey ? { "x-kubernetes-patch-merge-key": rule.mergeKey } : {}),
    ...(rule?.strategy ? { "x-kubernetes-patch-strategy": rule.strategy } : {}),
  };
}

/** "[]string", "map:int32", a full name. */
function typeSchema(text: string): Schema {
  if (text.startsWith("[]")) return { type: "array", items: typeSchema(text.slice(2)) };
  if (text.startsWith("map:"))
    return { type: "object", additionalProperties: typeSchema(text.slice(4)) };
  switch (text) {
    case "string":
    case "boolean":
      return { type: text };
    case "bytes":
      return { type: "string", format: "byte" };
    case "int32":
    case "int64":
      return { type: "integer", format: text };
    case "double":
      return { type: "number", format: "double" };
    case "any":
      return { "x-kubernetes-preserve-unknown-fields": true };
    default:
      return { $ref: text };
  }
}
