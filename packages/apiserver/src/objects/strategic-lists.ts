// The lists of a strategic merge patch: items found by their merge key, plain values, and the order that comes of it.
import { badRequest } from "../errors.ts";
import { isRecord, sameJson } from "./json.ts";
import { patchValue } from "./strategic.ts";
import type { ItemKey, Structure } from "./structure.ts";

type Item = Readonly<Record<string, unknown>>;

type ItemsPatch = {
  readonly structure: Structure;
  readonly mergeKey: string;
  /** $setElementOrder; without one the patch's own order counts. */
  readonly order: readonly unknown[] | undefined;
};

/** @throws ApiError BadRequest */
export function patchItems(
  present: readonly unknown[],
  patch: readonly unknown[],
  { structure, mergeKey, order }: ItemsPatch,
): unknown[] {
  const changes = patch.map((change) => toItem(change));
  const plain = changes.filter((change) => change["$patch"] === undefined);
  for (const change of [...plain, ...((order ?? []) as unknown[]).map(toItem)])
    keyOf(change, mergeKey);
  if (order) checkOrder(plain, order, mergeKey);
  let items: unknown[] = [...present];
  for (const change of changes) {
    const directive = change["$patch"];
    if (directive === "replace") items = [];
    else if (directive === "delete")
      items = items.filter((item) => !isMeant(item, change, mergeKey));
    else if (directive === "merge")
      throw badRequest("merging lists cannot yet be specified in the patch");
    else if (directive !== undefined)
      throw badRequest(`unknown patch type found: ${JSON.stringify(directive)}`);
  }
  const find = finder(structure.keys, mergeKey);
  for (const change of plain) {
    const at = find(items, change);
    const patched = patchValue(at < 0 ? undefined : items[at], change, structure.items());
    if (at < 0) items.push(patched);
    else items[at] = patched;
  }
  const same = (left: unknown, right: unknown) =>
    isRecord(left) && isRecord(right) && sameJson(left[mergeKey], right[mergeKey]);
  return arrange(items, { live: present, order: order ?? plain, same });
}

function toItem(change: unknown): Item {
  if (!isRecord(change)) throw badRequest("an item of a merged list must be an object");
  return change;
}

function keyOf(item: Item, mergeKey: string): unknown {
  if (item[mergeKey] === undefined)
    throw badRequest(
      `map: ${JSON.stringify(item)} does not contain declared merge key: ${mergeKey}`,
    );
  return item[mergeKey];
}

/** A directive to delete means every item of its key; more that tells items apart narrows it. */
function isMeant(item: unknown, change: Item, mergeKey: string): boolean {
  keyOf(change, mergeKey);
  if (!isRecord(item)) return false;
  return Object.entries(change).every(
    ([name, value]) => name === "$patch" || sameJson(item[name], value),
  );
}

/**
 * By the merge key. Where several items have it (a port number for TCP and for UDP), the one whose other keys are the
 * patch's; else the first, as Kubernetes always takes it.
 */
function finder(keys: readonly ItemKey[], mergeKey: string) {
  return (items: readonly unknown[], change: Item): number => {
    const found = items.flatMap((item, index) =>
      isRecord(item) && sameJson(item[mergeKey], change[mergeKey]) ? [{ item, index }] : [],
    );
    if (found.length < 2) return found[0]?.index ?? -1;
    const exact = found.find(({ item }) =>
      keys.every(({ name, default: otherwise }) => {
        const wanted = change[name] ?? otherwise;
        return sameJson(item[name] ?? otherwise, wanted);
      }),
    );
    return (exact ?? found[0])?.index ?? -1;
  };
}

/** The patch's items must stand in the order that it asks for. */
function checkOrder(plain: readonly Item[], order: readonly unknown[], mergeKey: string): void {
  let from = 0;
  for (const change of plain) {
    const at = order.findIndex(
      (entry, index) =>
        index >= from && isRecord(entry) && sameJson(entry[mergeKey], change[mergeKey]),
    );
    if (at < 0) throw badRequest("the order in the patch list does not match $setElementOrder");
    from = at;
  }
}

/** Present values that stay, then those that are added. */
export function patchValues(
  present: readonly unknown[],
  added: readonly unknown[],
  deleted: readonly unknown[],
): unknown[] {
  const kept = present.filter((value) => !deleted.includes(value));
  return [...new Set([...kept, ...added])];
}

type Arrangement = {
  readonly live: readonly unknown[];
  readonly order: readonly unknown[];
  same(left: unknown, right: unknown): boolean;
};

/**
 * The items that `order` names, in its order. Each of the others goes before the first of them that it preceded in the
 * live list; where that says nothing, it comes after those.
 */
export function arrange(items: readonly unknown[], { live, order, same }: Arrangement): unknown[] {
  const rank = (list: readonly unknown[], item: unknown) =>
    list.findIndex((entry) => same(entry, item));
  const byRank = (list: readonly unknown[]) => (left: unknown, right: unknown) =>
    rank(list, left) - rank(list, right);
  const named = items.filter((item) => rank(order, item) >= 0).toSorted(byRank(order));
  const others = items.filter((item) => rank(order, item) < 0).toSorted(byRank(live));
  const result: unknown[] = [];
  for (const item of named) {
    const place = rank(live, item);
    while (others.length > 0 && place >= 0 && rank(live, others[0]) < place)
      result.push(others.shift());
    result.push(item);
  }
  return [...result, ...others];
}
