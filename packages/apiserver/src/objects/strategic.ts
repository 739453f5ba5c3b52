// Strategic merge patch, as `kubectl apply`, `edit` and `patch` send it for built-in kinds: a merge patch in which some
// lists are merged, their items told apart by one field. Pure: the target is never changed.
// Directives: $patch, $retainKeys, $deleteFromPrimitiveList/FIELD, $setElementOrder/FIELD.
import { isRecord } from "./json.ts";

/** Fields whose lists are merged, and what tells their items apart; every other list is replaced. */
const itemKeys: Readonly<Record<string, string>> = {
  addresses: "type",
  conditions: "type",
  containers: "name",
  env: "name",
  ephemeralContainers: "name",
  hostAliases: "ip",
  hostIPs: "ip",
  imagePullSecrets: "name",
  initContainers: "name",
  ownerReferences: "uid",
  podIPs: "ip",
  secrets: "name",
  topologySpreadConstraints: "topologyKey",
  volumeDevices: "devicePath",
  volumeMounts: "mountPath",
  volumes: "name",
};
/** Of these the items are plain values. */
const mergedValues: readonly string[] = ["finalizers"];

const orderOf = "$setElementOrder/";
const deletedFrom = "$deleteFromPrimitiveList/";

/** @param within the field that holds the target: "" for the whole object. */
export function strategicPatch(target: unknown, patch: unknown, within = ""): unknown {
  if (!isRecord(patch)) return patch;
  const { $patch: directive, $retainKeys: retained, ...changes } = patch;
  if (directive === "delete") return {};
  const current = directive === "replace" || !isRecord(target) ? {} : target;
  const kept = Object.entries(current).filter(
    ([field]) => !Array.isArray(retained) || retained.includes(field),
  );
  const result: Record<string, unknown> = Object.fromEntries(kept);
  for (const [field, value] of Object.entries(changes)) {
    if (field.startsWith("$")) continue;
    if (value === null) delete result[field];
    else result[field] = patchField(result[field], value, { field, within });
  }
  return arranged(result, changes, within);
}

type Place = { readonly field: string; readonly within: string };

function patchField(target: unknown, patch: unknown, place: Place): unknown {
  if (!Array.isArray(patch)) return strategicPatch(target, patch, place.field);
  const present: readonly unknown[] = Array.isArray(target) ? target : [];
  if (mergedValues.includes(place.field)) return [...new Set([...present, ...patch])];
  const key = itemKeyOf(place);
  return key === undefined ? patch : patchItems(present, patch, { ...place, key });
}

/** A container's ports are told apart by another field than a Service's; an EndpointSlice's are replaced. */
function itemKeyOf({ field, within }: Place): string | undefined {
  if (field !== "ports") return itemKeys[field];
  return within === "spec" ? "port" : within === "" ? undefined : "containerPort";
}

function patchItems(
  present: readonly unknown[],
  patch: readonly unknown[],
  { field, key }: { readonly field: string; readonly key: string },
): unknown[] {
  const replaces = patch.some(
    (item) => directiveOf(item) === "replace" && keyOf(item, key) === undefined,
  );
  const items = replaces ? [] : [...present];
  for (const change of patch) {
    const wanted = keyOf(change, key);
    if (wanted === undefined && directiveOf(change) !== undefined) continue;
    const at = items.findIndex((item) => wanted !== undefined && keyOf(item, key) === wanted);
    if (directiveOf(change) === "delete") items.splice(at, at < 0 ? 0 : 1);
    else if (at < 0) items.push(strategicPatch({}, change, field));
    else items[at] = strategicPatch(items[at], change, field);
  }
  return items;
}

/** Carries out what a patch says about whole lists beside their items: values to drop, and the order. */
function arranged(
  result: Record<string, unknown>,
  changes: Readonly<Record<string, unknown>>,
  within: string,
): Record<string, unknown> {
  for (const [name, value] of Object.entries(changes)) {
    const field = name.slice(name.indexOf("/") + 1);
    const list = result[field];
    if (!Array.isArray(list) || !Array.isArray(value)) continue;
    if (name.startsWith(deletedFrom)) result[field] = list.filter((item) => !value.includes(item));
    if (name.startsWith(orderOf)) {
      const key = itemKeyOf({ field, within });
      const order = value.map((item) => keyOf(item, key));
      // What the order does not name comes last.
      const rank = (item: unknown) => {
        const at = order.indexOf(keyOf(item, key));
        return at < 0 ? order.length : at;
      };
      result[field] = list.toSorted((a, b) => rank(a) - rank(b));
    }
  }
  return result;
}

/** What tells an item from its neighbours; a plain value is told by itself. */
function keyOf(item: unknown, key: string | undefined): unknown {
  if (!isRecord(item)) return item;
  return key === undefined ? undefined : item[key];
}

function directiveOf(item: unknown): unknown {
  return isRecord(item) ? item["$patch"] : undefined;
}
