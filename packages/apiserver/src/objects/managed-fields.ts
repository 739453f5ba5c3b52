// Who owns which field of an object (metadata.managedFields), through updates and server-side applies. Pure.
import { ApiError, type Cause } from "../errors.ts";
import {
  difference,
  emptySet,
  fromFieldsV1,
  intersection,
  isEmpty,
  pathsOf,
  pathText,
  sameSet,
  toFieldsV1,
  union,
  unionOf,
  type FieldSet,
  type FieldsV1,
} from "./field-set.ts";
import { compare, fieldsOf, mergeApplied, withoutDropped } from "./fields.ts";
import { isRecord } from "./json.ts";
import type { Structure } from "./structure.ts";

export type ManagedFieldsEntry = {
  manager?: string;
  operation: "Apply" | "Update";
  apiVersion?: string;
  time?: string;
  fieldsType: "FieldsV1";
  fieldsV1?: FieldsV1;
  subresource?: string;
};

/** Somebody who writes: one who applies is told from the same one who updates. */
export type Writer = {
  readonly manager: string;
  readonly operation: "Apply" | "Update";
  /** The version in which the fields are named. */
  readonly apiVersion: string;
  /** "" for the object itself. */
  readonly subresource: string;
};

export type Owner = Writer & { readonly time: string | undefined; readonly fields: FieldSet };

/** As Kubernetes counts: more who update than this are thrown together, the oldest first. */
const maxUpdaters = 10;
const ancientManager = "ancient-changes";
/** Owns what was there when nobody had kept account, before the first apply. */
export const beforeFirstApply = "before-first-apply";

/** @returns undefined for what is no list of entries, or an entry of which cannot be read. */
export function readOwners(list: unknown): Owner[] | undefined {
  if (!Array.isArray(list)) return undefined;
  const owners: Owner[] = [];
  for (const entry of list as unknown[]) {
    const owner = readOwner(entry);
    if (!owner) return undefined;
    owners.push(owner);
  }
  return owners;
}

function readOwner(entry: unknown): Owner | undefined {
  if (!isRecord(entry) || entry["fieldsType"] !== "FieldsV1") return undefined;
  const { manager = "", operation, apiVersion = "", subresource = "", time } = entry;
  const fields = fromFieldsV1(entry["fieldsV1"] ?? {});
  if (operation !== "Apply" && operation !== "Update") return undefined;
  if (typeof manager !== "string" || typeof apiVersion !== "string") return undefined;
  if (typeof subresource !== "string" || !fields) return undefined;
  if (time !== undefined && time !== null && typeof time !== "string") return undefined;
  return { manager, operation, apiVersion, subresource, time: time ?? undefined, fields };
}

/** Sorted as Kubernetes sorts them; undefined for nobody. */
export function writeOwners(owners: readonly Owner[]): ManagedFieldsEntry[] | undefined {
  if (owners.length === 0) return undefined;
  return owners.toSorted(inOrder).map(({ manager, operation, apiVersion, time, ...rest }) => ({
    manager,
    operation,
    ...(apiVersion ? { apiVersion } : {}),
    ...(time === undefined ? {} : { time }),
    fieldsType: "FieldsV1" as const,
    fieldsV1: toFieldsV1(rest.fields),
    ...(rest.subresource ? { subresource: rest.subresource } : {}),
  }));
}

function inOrder(left: Owner, right: Owner): number {
  const keys = (owner: Owner) => [
    owner.operation,
    owner.time ?? "",
    owner.manager,
    owner.apiVersion,
    owner.subresource,
  ];
  const [a, b] = [keys(left), keys(right)];
  const at = a.findIndex((key, index) => key !== b[index]);
  return at < 0 ? 0 : (a[at] as string) < (b[at] as string) ? -1 : 1;
}

/** Who applies is the same in every version. */
function isSame(left: Writer, right: Writer): boolean {
  return (
    left.manager === right.manager &&
    left.operation === right.operation &&
    left.subresource === right.subresource &&
    (left.operation === "Apply" || left.apiVersion === right.apiVersion)
  );
}

export type Step = {
  readonly before: unknown;
  readonly structure: Structure;
  readonly writer: Writer;
  /** RFC 3339. */
  readonly now: string;
};

/** Owners after an update: what it adds and changes is the writer's alone, what it removes is nobody's. */
export function ownersAfterUpdate(
  owners: readonly Owner[],
  { before, after, structure, writer, now }: Step & { readonly after: unknown },
): Owner[] {
  const { added, modified, removed } = compare(before, after, structure);
  const taken = union(added, modified);
  if (isEmpty(taken) && isEmpty(removed)) return [...owners];
  const touched = union(taken, removed);
  const left = owners
    .map((owner) => ({ ...owner, fields: difference(owner.fields, touched) }))
    .filter(({ fields }) => !isEmpty(fields));
  if (isEmpty(taken)) return left;
  const own = left.find((owner) => isSame(owner, writer));
  const others = left.filter((owner) => owner !== own);
  const fields = union(own?.fields ?? emptySet(), taken);
  return capped([...others, { ...writer, time: now, fields }]);
}

function capped(owners: readonly Owner[]): Owner[] {
  const updaters = owners.filter(({ operation }) => operation === "Update").toSorted(inOrder);
  const surplus = updaters.length - maxUpdaters;
  if (surplus <= 0) return [...owners];
  // One of the ten places is for what is thrown together, in each version that is spoken.
  const oldest = new Set(updaters.slice(0, surplus + 1));
  const byVersion = Map.groupBy(oldest, ({ apiVersion }) => apiVersion);
  const ancient = [...byVersion].map(([apiVersion, together]) => ({
    manager: ancientManager,
    operation: "Update" as const,
    subresource: "",
    apiVersion,
    time: together.at(-1)?.time,
    fields: unionOf(together.map(({ fields }) => fields)),
  }));
  return [...owners.filter((owner) => !oldest.has(owner)), ...ancient];
}

export type Applied = { readonly object: unknown; readonly owners: Owner[] };

/**
 * Lays what a writer applies over the object, takes away what it has ceased to apply, and gives it its fields.
 * @param force take the fields of others; a predicate says of which conflicts to.
 * @throws ApiError Conflict naming every field that another manager owns and that would change; BadRequest.
 */
export function apply(
  owners: readonly Owner[],
  step: Step & {
    readonly config: unknown;
    readonly force: boolean | ((fields: FieldSet) => FieldSet);
  },
): Applied {
  const { before, config, structure, writer, now, force } = step;
  const own = owners.find((owner) => isSame(owner, writer));
  const fields = fieldsOf(config, structure);
  const others = owners.filter((owner) => owner !== own);
  const owned = unionOf([fields, ...others.map((owner) => owner.fields)]);
  const merged = mergeApplied(before, config, structure);
  const object = own ? withoutDropped(merged, structure, { last: own.fields, owned }) : merged;
  const { added, modified, removed } = compare(before, object, structure);
  const taken = union(added, modified);
  const conflicts = others
    .map((owner) => ({ owner, fields: intersection(owner.fields, taken) }))
    .filter((conflict) => !isEmpty(conflict.fields));
  const refused =
    force === true
      ? []
      : conflicts
          .map((one) => (force === false ? one : { ...one, fields: force(one.fields) }))
          .filter((one) => !isEmpty(one.fields));
  if (refused.length > 0) throw conflictError(refused);
  const touched = union(taken, removed);
  const left = others
    .map((owner) => ({ ...owner, fields: difference(owner.fields, touched) }))
    .filter((owner) => !isEmpty(owner.fields));
  if (isEmpty(fields)) return { object, owners: left };
  const unchanged = own !== undefined && sameSet(own.fields, fields);
  const still = unchanged && isEmpty(taken) && isEmpty(removed);
  const time = still ? own.time : now;
  return { object, owners: [...left, { ...writer, time, fields }] };
}

type Conflict = { readonly owner: Owner; readonly fields: FieldSet };

function conflictError(conflicts: readonly Conflict[]): ApiError {
  const each = conflicts
    .map(({ owner, fields }) => ({ who: ownerText(owner), paths: pathsOf(fields).map(pathText) }))
    .toSorted((left, right) => (left.who < right.who ? -1 : 1));
  const causes: Cause[] = each.flatMap(({ who, paths }) =>
    paths.map((path) => ({
      reason: "FieldManagerConflict" as const,
      message: `conflict with ${who}`,
      field: path,
    })),
  );
  const message =
    causes.length === 1
      ? `1 conflict: ${causes[0]?.message}: ${causes[0]?.field}`
      : `${causes.length} conflicts: ${each
          .flatMap(({ who, paths }) => [
            `conflicts with ${who}:`,
            ...paths.map((path) => `- ${path}`),
          ])
          .join("\n")}`;
  return new ApiError(409, "Conflict", `Apply failed with ${message}`, { causes });
}

function ownerText({ manager, operation, apiVersion, subresource }: Owner): string {
  const name = JSON.stringify(manager);
  const within = subresource ? `${name} with subresource ${JSON.stringify(subresource)}` : name;
  return operation === "Update" ? `${within} using ${apiVersion}` : within;
}
