// Strategic merge patch, as `kubectl apply`, `edit` and `patch` send it for built-in kinds: a merge patch in which some
// lists are merged, their items told apart as the kind's types say at that path. Pure: the target is never changed.
// Directives: $patch, $retainKeys, $deleteFromPrimitiveList/FIELD, $setElementOrder/FIELD.
import { badRequest } from "../errors.ts";
import { isRecord } from "./json.ts";
import { arrange, patchItems, patchValues } from "./strategic-lists.ts";
import type { Structure } from "./structure.ts";

const orderOf = "$setElementOrder/";
const deletedFrom = "$deleteFromPrimitiveList/";

/**
 * @param structure of the target.
 * @throws ApiError BadRequest for a directive that is none, an item without its key, an order that is not the patch's.
 */
export function strategicPatch(target: unknown, patch: unknown, structure: Structure): unknown {
  if (!isRecord(patch)) throw badRequest("a strategic merge patch is an object");
  return patchMap(target, patch, structure);
}

/** Of a field's value or an item: what is no object replaces. */
export function patchValue(target: unknown, patch: unknown, structure: Structure): unknown {
  return isRecord(patch) ? patchMap(target, patch, structure) : withoutDirectives(patch);
}

function patchMap(
  target: unknown,
  patch: Readonly<Record<string, unknown>>,
  structure: Structure,
): Record<string, unknown> {
  const { $patch: directive, $retainKeys: retained, ...changes } = patch;
  if (directive === "delete") return {};
  if (directive !== undefined && directive !== "replace" && directive !== "merge")
    throw badRequest(`unknown patch type found: ${JSON.stringify(directive)}`);
  const current = directive === "replace" || !isRecord(target) ? {} : target;
  const result = retain(current, retained, changes);
  const lists = directivesOf(changes);
  for (const [field, value] of Object.entries(changes)) {
    if (isDirective(field) || lists.has(field)) continue;
    if (value === null) delete result[field];
    else result[field] = patchField(result[field], value, structure.field(field));
  }
  for (const [field, directives] of lists) {
    const list = patchList(result[field], changes[field], {
      ...directives,
      structure: structure.field(field),
    });
    if (list === undefined) delete result[field];
    else result[field] = list;
  }
  return result;
}

/** $retainKeys names all fields that stay; a patch must not set others. */
function retain(
  current: Readonly<Record<string, unknown>>,
  retained: unknown,
  changes: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  if (retained === undefined) return { ...current };
  if (!Array.isArray(retained) || !retained.every((name) => typeof name === "string"))
    throw badRequest("$retainKeys must be a list of field names");
  const foreign = Object.entries(changes).find(
    ([name, value]) => value !== null && !isDirective(name) && !retained.includes(name),
  );
  if (foreign) throw badRequest(`$retainKeys does not name ${foreign[0]}, which the patch sets`);
  return Object.fromEntries(Object.entries(current).filter(([name]) => retained.includes(name)));
}

function patchField(target: unknown, patch: unknown, structure: Structure): unknown {
  if (!Array.isArray(patch)) return patchValue(target, patch, structure);
  return patchList(target, patch, { structure });
}

type ListDirectives = {
  readonly order?: readonly unknown[];
  readonly deleted?: readonly unknown[];
};

function isDirective(field: string): boolean {
  return field.startsWith(orderOf) || field.startsWith(deletedFrom);
}

/** What a patch says of whole lists beside their items, by the list's field. */
function directivesOf(changes: Readonly<Record<string, unknown>>): Map<string, ListDirectives> {
  const lists = new Map<string, ListDirectives>();
  for (const [name, value] of Object.entries(changes)) {
    if (!isDirective(name)) continue;
    if (!Array.isArray(value)) throw badRequest(`${name} must be a list`);
    const field = name.slice(name.indexOf("/") + 1);
    const what = name.startsWith(orderOf) ? { order: value } : { deleted: value };
    lists.set(field, { ...lists.get(field), ...what });
  }
  return lists;
}

/** @returns undefined for a list that is not there and stays so. */
function patchList(
  target: unknown,
  patch: unknown,
  { structure, order, deleted }: ListDirectives & { readonly structure: Structure },
): unknown {
  if (patch === null) return undefined;
  if (patch !== undefined && !Array.isArray(patch)) return patchValue(target, patch, structure);
  const { merge, mergeKey } = structure.patch;
  if (!merge) return patch === undefined ? target : withoutDirectives(patch);
  const present: readonly unknown[] = Array.isArray(target) ? target : [];
  if (patch === undefined && deleted === undefined && !Array.isArray(target)) return target;
  const given: readonly unknown[] = patch ?? [];
  if (mergeKey === undefined) {
    const values = patchValues(present, given, deleted ?? []);
    return arrange(values, { live: present, order: order ?? given, same: Object.is });
  }
  return patchItems(present, given, { structure, mergeKey, order });
}

/** A value as it is stored where there was none: nulls and directives say nothing there. */
export function withoutDirectives(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value
      .filter((item) => !(isRecord(item) && item["$patch"] !== undefined))
      .map(withoutDirectives);
  }
  if (!isRecord(value)) return value;
  if (value["$patch"] === "delete") return {};
  const kept = Object.entries(value).filter(
    ([name, child]) =>
      child !== null && name !== "$patch" && name !== "$retainKeys" && !isDirective(name),
  );
  return Object.fromEntries(kept.map(([name, child]) => [name, withoutDirectives(child)]));
}
