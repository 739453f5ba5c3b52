// How the fields of a kind are merged and owned: which lists are sets or maps, which values are one whole. Read from a
// schema on the way down, so that a kind costs nothing before it is asked for.
import {
  builtinName,
  definitionOf,
  objectMetaName,
  resolved,
} from "../schema/api-types/definitions.ts";
import { isRecord } from "./json.ts";

type Schema = Readonly<Record<string, unknown>>;

/** What tells the items of a list apart; a key that an item lacks has its default. */
export type ItemKey = { readonly name: string; readonly default: unknown };

/** x-kubernetes-patch-strategy and -merge-key: how a strategic merge patch takes the field. */
export type PatchStrategy = {
  readonly merge: boolean;
  readonly retainKeys: boolean;
  readonly mergeKey: string | undefined;
};

export type Structure = {
  /**
   * atomic: one whole, whoever sets any of it owns all of it; map: fields of their own; set: plain values that are told
   * apart by themselves; keyed: items that are told apart by `keys`. A value of another type than this is a whole.
   */
  readonly shape: "atomic" | "map" | "set" | "keyed";
  /** Of "keyed". */
  readonly keys: readonly ItemKey[];
  readonly patch: PatchStrategy;
  /** Go knows this field always there: it is nobody's to bring into being. */
  readonly always: boolean;
  /** Does the schema name this field (and not just allow any)? */
  declares(field: string): boolean;
  /** Of a field, declared or not. */
  field(name: string): Structure;
  /** Of a list's items. */
  items(): Structure;
};

const noPatch: PatchStrategy = { merge: false, retainKeys: false, mergeKey: undefined };

/** What no schema describes: maps have fields, lists are wholes. */
const unknown: Structure = {
  shape: "map",
  keys: [],
  patch: noPatch,
  always: false,
  declares: () => false,
  field: () => unknown,
  items: () => unknown,
};

/** Structs that Go writes even when they are empty, and a list that it does not omit. */
const alwaysThere: ReadonlySet<string> = new Set([
  "metadata",
  "spec",
  "status",
  "template",
  "strategy",
  "updateStrategy",
  "containers",
]);

const known = new WeakMap<object, Structure>();

/** Of a whole object of a kind in one of its versions. */
export function structureOf(
  kind: { readonly group: string; readonly kind: string },
  version: { readonly name: string; readonly schema: Schema | undefined },
): Structure {
  const name = builtinName(kind.group, version.name, kind.kind);
  const builtin = name === undefined ? undefined : definitionOf(name);
  if (builtin) return ofBuiltin(builtin);
  const { schema } = version;
  if (schema === undefined) return unknown;
  let structure = known.get(schema);
  if (!structure) {
    const properties = isRecord(schema["properties"]) ? schema["properties"] : {};
    const metadata = definitionOf(objectMetaName) ?? {};
    structure = make({ ...schema, properties: { ...properties, metadata } }, { builtin: false });
    known.set(schema, structure);
  }
  return structure;
}

function ofBuiltin(schema: Schema): Structure {
  let structure = known.get(schema);
  if (!structure) known.set(schema, (structure = make(schema, { builtin: true })));
  return structure;
}

/** What a reference stands for, with what is said beside the reference. */
function whole(schema: Schema): Schema {
  const target = resolved(schema);
  return target === schema ? schema : { ...target, ...schema };
}

type Origin = { readonly builtin: boolean; readonly name?: string };

function make(schema: Schema, { builtin, name = "" }: Origin): Structure {
  const properties = isRecord(schema["properties"]) ? schema["properties"] : {};
  const fields = new Map<string, Structure>();
  const items = isRecord(schema["items"]) ? whole(schema["items"]) : undefined;
  let ofItems: Structure | undefined;
  const others = schema["additionalProperties"];
  const embedded = schema["x-kubernetes-embedded-resource"] === true;
  return {
    shape: shapeOf(schema),
    keys: keysOf(schema, items),
    patch: patchOf(schema),
    always: name === "metadata" || (builtin && alwaysThere.has(name)),
    declares: (field) => Object.hasOwn(properties, field),
    field(field) {
      let structure = fields.get(field);
      if (structure) return structure;
      const own = Object.hasOwn(properties, field) ? properties[field] : others;
      if (embedded && field === "metadata" && !Object.hasOwn(properties, field))
        structure = make(definitionOf(objectMetaName) ?? {}, { builtin, name: field });
      else if (isRecord(own)) structure = make(whole(own), { builtin, name: field });
      else return unknown;
      // Names that a schema does not declare are anybody's, and endless.
      if (Object.hasOwn(properties, field)) fields.set(field, structure);
      return structure;
    },
    items: () => (ofItems ??= items ? make(items, { builtin }) : unknown),
  };
}

function shapeOf(schema: Schema): Structure["shape"] {
  if (schema["type"] === "array") {
    if (schema["x-kubernetes-list-type"] === "map") return "keyed";
    return schema["x-kubernetes-list-type"] === "set" ? "set" : "atomic";
  }
  return schema["x-kubernetes-map-type"] === "atomic" ? "atomic" : "map";
}

function keysOf(schema: Schema, items: Schema | undefined): ItemKey[] {
  const names = schema["x-kubernetes-list-map-keys"];
  if (!Array.isArray(names)) return [];
  const properties = isRecord(items?.["properties"]) ? items["properties"] : {};
  return (names as string[]).map((name) => {
    const property = Object.hasOwn(properties, name) ? properties[name] : undefined;
    const stated = isRecord(property) ? property["default"] : undefined;
    // Kubernetes' own types state their defaults in code: of all keys only this one has one.
    return { name, default: stated ?? (name === "protocol" ? "TCP" : undefined) };
  });
}

function patchOf(schema: Schema): PatchStrategy {
  const strategy = schema["x-kubernetes-patch-strategy"];
  if (typeof strategy !== "string") return noPatch;
  const words = strategy.split(",");
  const key = schema["x-kubernetes-patch-merge-key"];
  return {
    merge: words.includes("merge"),
    retainKeys: words.includes("retainKeys"),
    mergeKey: typeof key === "string" ? key : undefined,
  };
}
