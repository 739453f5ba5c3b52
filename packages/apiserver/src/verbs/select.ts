// Which objects of a collection a request means.
import { parseFieldSelector, parseLabelSelector } from "../objects/selectors.ts";
import type { ApiObject } from "../objects/object.ts";
import type { Stored } from "../store/store.ts";
import type { Target } from "./target.ts";

/** Undefined: every object of the resource. */
export type Selection = ((object: Stored) => boolean) | undefined;

/** By namespace, labels and fields; a name in the target selects that one. @throws ApiError BadRequest */
export function selectionOf(target: Target, query: URLSearchParams): Selection {
  const supported = new Set(Object.keys(target.kind.selectableFields));
  const labels = parseLabelSelector(query.get("labelSelector") ?? "");
  const fields = parseFieldSelector(query.get("fieldSelector") ?? "", supported);
  const { namespace, name } = target;
  const tests: ((object: Stored) => boolean)[] = [];
  if (namespace !== "") tests.push((object) => object.namespace === namespace);
  if (name !== "") tests.push((object) => object.name === name);
  if (labels) tests.push((object) => labels(object.labels));
  if (fields) tests.push((object) => fields(fieldsOf(target, object)));
  if (tests.length === 0) return undefined;
  return (object) => tests.every((test) => test(object));
}

/**
 * The values that field selectors ask for. An object may have been stored, or read from the disk, before its definition
 * named all of its selectable fields: those are read from the object itself.
 */
function fieldsOf(
  { kind: { selectableFields } }: Target,
  object: Stored,
): Readonly<Record<string, string>> {
  const readers = Object.entries(selectableFields);
  if (readers.every(([path]) => object.fields[path] !== undefined)) return object.fields;
  const parsed = JSON.parse(object.json) as ApiObject;
  return Object.fromEntries(readers.map(([path, read]) => [path, read(parsed)]));
}
