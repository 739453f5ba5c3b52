// OpenAPI documents of what the server serves: definitions of the kinds and the operations on them. Version 3 has one
// document for each group and version, version 2 one for all.
import { definitionOf, listMetaName } from "../schema/api-types/definitions.ts";
import { isRecord } from "../objects/json.ts";
import type { Kind, Version } from "../kinds/kind.ts";
import type { Schema } from "../schema/structural.ts";
import { kindSchema, typeMeta } from "../schema/kind-schema.ts";
import { typeName } from "../schema/type-name.ts";
import { versionInfo } from "./discovery.ts";

type Served = { readonly kind: Kind; readonly version: Version };

/** "api/v1", "apis/apps/v1": how a document of version 3 is named. */
export function documentPath(kind: Kind, version: string): string {
  return kind.group === "" ? `api/${version}` : `apis/${kind.group}/${version}`;
}

/** The document of one group and version. */
export function documentV3(served: readonly Served[]): object {
  const prefix = "#/components/schemas/";
  return {
    openapi: "3.0.0",
    info: { title: "Kubernetes", version: versionInfo.gitVersion },
    paths: pathsOf(served, "v3"),
    components: { schemas: definitionsOf(served, { prefix, version: "v3" }) },
  };
}

/** The document of everything. */
export function documentV2(served: readonly Served[]): object {
  return {
    swagger: "2.0",
    info: { title: "Kubernetes", version: versionInfo.gitVersion },
    paths: pathsOf(served, "v2"),
    definitions: definitionsOf(served, { prefix: "#/definitions/", version: "v2" }),
  };
}

type Style = { readonly prefix: string; readonly version: "v2" | "v3" };

/** The kinds' definitions, their lists', and those of all types within. */
function definitionsOf(served: readonly Served[], style: Style): Record<string, Schema> {
  const definitions: Record<string, Schema> = {};
  const todo: string[] = [];
  const seen = new Set<string>();
  const add = (name: string, schema: Schema) => {
    definitions[name] = render(schema, style, (reference) => todo.push(reference));
  };
  for (const { kind, version } of served) {
    const name = typeName(kind, version.name);
    seen.add(name);
    add(name, { ...kindSchema(kind, version), ...gvk(kind, version.name, kind.kind) });
    if (!kind.review) add(`${name}List`, listSchema(kind, version.name));
  }
  for (let name = todo.pop(); name !== undefined; name = todo.pop()) {
    if (seen.has(name)) continue;
    seen.add(name);
    const schema = definitionOf(name);
    if (schema) add(name, schema);
  }
  return definitions;
}

function listSchema(kind: Kind, version: string): Schema {
  return {
    description: `A list of ${kind.kind}.`,
    type: "object",
    required: ["items"],
    properties: {
      ...typeMeta,
      items: { type: "array", items: { $ref: typeName(kind, version) } },
      metadata: { $ref: listMetaName },
    },
    ...gvk(kind, version, kind.listKind),
  };
}

function gvk(kind: Kind, version: string, name: string): Schema {
  return { "x-kubernetes-group-version-kind": [{ group: kind.group, kind: name, version }] };
}

/** Keywords of OpenAPI 3 that 2 has no word for: what they restrict, the server checks itself. */
const unknownToV2 = new Set(["anyOf", "oneOf", "not", "nullable", "x-kubernetes-validations"]);

/** References with their prefix, and in the words of the document's version. */
function render(schema: Schema, style: Style, reach: (name: string) => void): Schema {
  const rendered: Record<string, unknown> = {};
  const within = (part: unknown) => render(part as Schema, style, reach);
  for (const [keyword, value] of Object.entries(schema)) {
    if (style.version === "v2" && unknownToV2.has(keyword)) continue;
    if (keyword === "$ref") {
      reach(value as string);
      rendered["$ref"] = style.prefix + (value as string);
    } else if (keyword === "properties" && isRecord(value)) {
      rendered["properties"] = Object.fromEntries(
        Object.entries(value).map(([name, part]) => [name, within(part)]),
      );
    } else if (["items", "additionalProperties", "not"].includes(keyword) && isRecord(value)) {
      rendered[keyword] = within(value);
    } else if (["allOf", "anyOf", "oneOf"].includes(keyword) && Array.isArray(value)) {
      const parts = value.map(within);
      const reference = parts.length === 1 ? parts[0]?.["$ref"] : undefined;
      if (style.version === "v3") rendered[keyword] = parts;
      else if (reference !== undefined) rendered["$ref"] = reference;
    } else {
      rendered[keyword] = value;
    }
  }
  if (style.version === "v2" && rendered["x-kubernetes-preserve-unknown-fields"] === true) {
    // As Kubernetes does: clients of version 2 would take what is not named for a mistake.
    delete rendered["properties"];
    delete rendered["required"];
  }
  return rendered;
}

const queries = ["dryRun", "fieldManager", "fieldValidation"] as const;

function pathsOf(served: readonly Served[], style: "v2" | "v3"): Record<string, object> {
  const paths: Record<string, object> = {};
  for (const { kind, version } of served) {
    const root = `/${documentPath(kind, version.name)}`;
    const home = kind.namespaced ? `${root}/namespaces/{namespace}` : root;
    const collection = `${home}/${kind.plural}`;
    const operation = (action: string, writes: boolean) => ({
      operationId: `${action}${typeName(kind, version.name).replaceAll(/[^A-Za-z0-9]/g, "")}`,
      parameters: writes ? queries.map((name) => query(name, style)) : [],
      responses: { "200": { description: "OK" } },
      "x-kubernetes-action": action,
      "x-kubernetes-group-version-kind": {
        group: kind.group,
        version: version.name,
        kind: kind.kind,
      },
    });
    if (kind.review) {
      paths[`${kind.namespaced ? home : root}/${kind.plural}`] = {
        post: operation("post", true),
      };
      continue;
    }
    paths[collection] = { get: operation("list", false), post: operation("post", true) };
    paths[`${collection}/{name}`] = {
      get: operation("get", false),
      put: operation("put", true),
      patch: {
        ...operation("patch", true),
        parameters: [...queries, "force"].map((name) => query(name, style)),
      },
      delete: operation("delete", true),
    };
  }
  return paths;
}

function query(name: string, style: "v2" | "v3"): object {
  const type = name === "force" ? "boolean" : "string";
  const of = style === "v2" ? { type, uniqueItems: true } : { schema: { type, uniqueItems: true } };
  return { name, in: "query", ...of };
}
