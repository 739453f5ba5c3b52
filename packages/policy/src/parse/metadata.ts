// What every policy object has: its name, its version, and our annotations.
import type { Policy, PolicyKind, PolicyRef } from "../model.ts";
import { parseAnnotations } from "./annotations.ts";
import type { Field } from "./field.ts";
import { isDnsLabel, isDnsSubdomain } from "./label-syntax.ts";

export type Head = Omit<Policy, "specs">;

/** kubectl's namespace for objects that do not say. */
const defaultNamespace = "default";

export function parseHead(object: Field, kind: PolicyKind, namespaced: boolean): Head | undefined {
  const metadata = object.at("metadata");
  if (!metadata.isObject()) return undefined;
  const name = parseName(metadata.at("name"));
  const namespace = namespaced ? parseNamespace(metadata.at("namespace")) : "";
  const annotations = parseAnnotations(metadata.at("annotations"));
  if (name === undefined || namespace === undefined) return undefined;
  const ref: PolicyRef = { kind, namespace, name };
  return { ref, ...parseVersion(metadata), ...annotations };
}

export function parseName(field: Field): string | undefined {
  const name = field.name();
  if (name === undefined || isDnsSubdomain(name)) return name;
  field.problem("is no name of an object");
  return undefined;
}

function parseNamespace(field: Field): string | undefined {
  if (!field.isGiven) return defaultNamespace;
  const namespace = field.name();
  if (namespace === undefined || isDnsLabel(namespace)) return namespace;
  field.problem("is no name of a namespace");
  return undefined;
}

/** The API server's business: files that were not applied yet have neither. */
function parseVersion(metadata: Field): { readonly uid: string; readonly generation: number } {
  return {
    uid: metadata.at("uid").text() ?? "",
    generation: metadata.at("generation").integer(0, Number.MAX_SAFE_INTEGER) ?? 0,
  };
}
