// The whole schema of a kind: of a built-in one its type's definition, of a custom one its own with what every object has.
import type { Kind, Version } from "../kinds/kind.ts";
import { isRecord } from "../objects/json.ts";
import type { ApiObject } from "../objects/object.ts";
import { definitionOf, objectMetaName } from "./api-types/definitions.ts";
import { readFields } from "./fields.ts";
import type { Schema } from "./structural.ts";
import { typeName } from "./type-name.ts";

export const typeMeta: Readonly<Record<string, Schema>> = {
  apiVersion: {
    type: "string",
    description: "Group and version of the schema that this object is written by.",
  },
  kind: { type: "string", description: "The name of the kind of this object, in CamelCase." },
};

/** The schema that documents show and unknown fields are told by; references are resolved by `resolved`. */
export function kindSchema(kind: Kind, version: Version): Schema {
  const builtin = definitionOf(typeName(kind, version.name));
  if (builtin) return builtin;
  const schema = version.schema ?? {};
  const properties = isRecord(schema["properties"]) ? schema["properties"] : {};
  return {
    ...schema,
    properties: {
      ...properties,
      ...typeMeta,
      metadata: {
        allOf: [{ $ref: objectMetaName }],
        description: "Standard metadata of the object.",
      },
    },
  };
}

/** Drops fields that a built-in kind does not have, as decoding does in Kubernetes. */
export function dropUnknownFields(
  kind: Pick<Kind, "group" | "kind">,
  version: Version,
  object: ApiObject,
): void {
  const builtin = definitionOf(typeName(kind, version.name));
  if (builtin) readFields(builtin, object, { types: false, drop: true });
}
