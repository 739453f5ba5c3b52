// Which objects of a collection a request means.
import { parseFieldSelector, parseLabelSelector } from "../objects/selectors.ts";
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
  if (fields) tests.push((object) => fields(object.fields));
  if (tests.length === 0) return undefined;
  return (object) => tests.every((test) => test(object));
}
