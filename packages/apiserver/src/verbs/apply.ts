// PATCH with application/apply-patch+yaml: server-side apply. Who applies owns what they apply; what they cease to apply
// goes; what others own and they would change is a conflict.
import { badRequest, conflict, notFound } from "../errors.ts";
import { apiVersionOf } from "../kinds/kind.ts";
import { difference, emptySet, type FieldSet } from "../objects/field-set.ts";
import { compare, fieldsOf } from "../objects/fields.ts";
import { isRecord, cloneJson } from "../objects/json.ts";
import {
  apply as applyFields,
  beforeFirstApply,
  ownersAfterUpdate,
  readOwners,
  type Applied,
  type Owner,
} from "../objects/managed-fields.ts";
import { timestamp, toObject, type ApiObject } from "../objects/object.ts";
import type { Stored, Transaction } from "../store/store.ts";
import { insertNew, prepareNew, type WriteContext } from "./create.ts";
import { DryRun } from "./dry-run.ts";
import { ownedMetadata, setOwners, structureOfTarget, trackedPart, writerOf } from "./ownership.ts";
import { replicasAlone, replicasOf, scaleApiVersion } from "./scale.ts";
import { adoptBody, placeOf, type Target } from "./target.ts";
import { write } from "./update.ts";

export type ApplyResult = { readonly stored: Stored; readonly created: boolean };

/** The annotation in which kubectl's client-side apply remembers what it applied, and the manager it is on the server. */
const lastAppliedAnnotation = "kubectl.kubernetes.io/last-applied-configuration";
const kubectlManager = "kubectl";

/**
 * Applies a configuration; an object that is not there is created.
 * @param document the parsed body: only the fields that its writer means to own.
 * @throws ApiError Conflict with the managers' names, BadRequest, Invalid, NotFound (of a subresource, or the namespace)
 */
export async function apply(
  context: WriteContext & { readonly force: boolean },
  target: Target,
  document: unknown,
): Promise<ApplyResult> {
  checkDocument(target, document);
  return DryRun.transact(context, (transaction) => {
    const stored = transaction.get(placeOf(target));
    const config = toObject(cloneJson(document));
    if (!stored)
      return { stored: applyNew(context, target, { config, transaction }), created: true };
    return { stored: applyOver(context, target, { config, stored, transaction }), created: false };
  });
}

function checkDocument(target: Target, document: unknown): void {
  if (!isRecord(document)) throw badRequest("the configuration to apply is not an object");
  const expected =
    target.subresource === "scale" ? scaleApiVersion : apiVersionOf(target.kind, target.version);
  const { apiVersion, metadata } = document;
  if (apiVersion !== expected) {
    throw badRequest(
      `Incorrect version specified in apply patch. Specified patch version: ${String(apiVersion ?? "")}, expected: ${expected}`,
    );
  }
  if (
    isRecord(metadata) &&
    Array.isArray(metadata["managedFields"]) &&
    metadata["managedFields"].length > 0
  )
    throw badRequest("metadata.managedFields must be nil");
}

type Fresh = { readonly config: ApiObject; readonly transaction: Transaction };

function applyNew(context: WriteContext, target: Target, { config, transaction }: Fresh): Stored {
  if (target.subresource !== undefined) throw notFound(target.kind, target.name);
  const { uid } = config.metadata;
  if (uid) {
    throw conflict(
      target.kind,
      target.name,
      `uid mismatch: the provided object specified uid ${uid}, and no existing object was found`,
    );
  }
  config.metadata.name ??= target.name;
  adoptBody(config, target);
  checkName(target, config);
  delete config.metadata.resourceVersion;
  const { owners } = applied(context, target, { config, live: {}, owners: [] });
  prepareNew(context, target, config);
  setOwners(config, owners);
  return insertNew(context, target, { object: config, transaction });
}

type Over = Fresh & { readonly stored: Stored };

function applyOver(
  context: WriteContext & { readonly force: boolean },
  target: Target,
  { config, stored, transaction }: Over,
): Stored {
  const before = JSON.parse(stored.json) as ApiObject;
  if (target.subresource !== "scale") adoptBody(config, target);
  checkName(target, config);
  const live = trackedPart(before, target);
  const owners = knownOwners(context, target, before);
  const force = context.force || forceOfKubectl(context, { before, live, target });
  const result = applied(context, target, { config, live, owners, force });
  const object =
    target.subresource === "scale"
      ? config
      : laidOver(before, result.object as Record<string, unknown>, target);
  expect(object, config);
  if (target.subresource === undefined) syncLastApplied(context, object, config);
  return write(context, target, { stored, object, transaction, owners: result.owners });
}

type Application = {
  readonly config: ApiObject;
  readonly live: unknown;
  readonly owners: readonly Owner[];
  readonly force?: boolean | ((fields: FieldSet) => FieldSet);
};

function applied(
  context: WriteContext,
  target: Target,
  { config, live, owners, force = false }: Application,
): Applied {
  const writer = writerOf(context, target, "Apply");
  const structure = structureOfTarget(target);
  const now = timestamp();
  const part =
    target.subresource === "scale"
      ? replicasAlone(target, replicasOf(config, target.name))
      : trackedPart(config, target);
  const meant = withoutNulls(part);
  return applyFields(owners, { before: live, config: meant, structure, writer, now, force });
}

/** What is applied as null is not applied. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (!isRecord(value)) return value;
  const kept = Object.entries(value).filter(([, child]) => child !== null && child !== undefined);
  return Object.fromEntries(kept.map(([name, child]) => [name, withoutNulls(child)]));
}

/** The object with its tracked part exchanged. */
function laidOver(before: ApiObject, part: Record<string, unknown>, target: Target): ApiObject {
  const copy = cloneJson(before);
  if (target.subresource !== undefined) return { ...copy, ...part };
  const { apiVersion, kind, metadata, status } = copy;
  for (const name of ownedMetadata) delete metadata[name];
  const given = isRecord(part["metadata"]) ? part["metadata"] : {};
  return toObject({ status, ...part, apiVersion, kind, metadata: { ...metadata, ...given } });
}

/** The state that the configuration was made for, if it says so; else whichever there is. */
function expect({ metadata }: ApiObject, config: ApiObject): void {
  for (const name of ["resourceVersion", "uid"] as const) {
    const wanted = config.metadata[name];
    if (wanted) metadata[name] = wanted;
    else delete metadata[name];
  }
}

function checkName(target: Target, config: ApiObject): void {
  config.metadata.name ??= target.name;
  if (config.metadata.name === target.name) return;
  throw badRequest(
    `the name of the object (${config.metadata.name}) does not match the name on the URL (${target.name})`,
  );
}

/** The owners until now; where nobody has kept account, all that is there belongs to "before-first-apply". */
function knownOwners(context: WriteContext, target: Target, before: ApiObject): Owner[] {
  const owners = readOwners(before.metadata.managedFields) ?? [];
  if (owners.length > 0) return owners;
  const whole = { ...target, subresource: undefined };
  return ownersAfterUpdate([], {
    before: {},
    after: trackedPart(before, whole),
    structure: structureOfTarget(target),
    writer: { ...writerOf(context, whole, "Update"), manager: beforeFirstApply },
    now: before.metadata.creationTimestamp ?? timestamp(),
  });
}

type Upgrade = { readonly before: ApiObject; readonly live: unknown; readonly target: Target };

/**
 * kubectl comes from client-side apply: what it applied then, and nobody has changed since, it may take over without a
 * conflict. @returns what of a conflict remains one.
 */
function forceOfKubectl(
  context: WriteContext,
  { before, live, target }: Upgrade,
): false | ((fields: FieldSet) => FieldSet) {
  const text = before.metadata.annotations?.[lastAppliedAnnotation];
  if (context.manager !== kubectlManager || text === undefined) return false;
  const structure = structureOfTarget(target);
  const allowed = allowedFrom(text, (last) => {
    const part = withoutNulls(trackedPart(last, target));
    const { modified } = compare(part, live, structure);
    return difference(fieldsOf(part, structure), modified);
  });
  return (fields) => difference(fields, allowed);
}

function allowedFrom(text: string, read: (last: ApiObject) => FieldSet): FieldSet {
  try {
    return read(toObject(JSON.parse(text)));
  } catch {
    // Whatever else stands in the annotation allows nothing.
    return emptySet();
  }
}

/**
 * So that a later client-side apply knows what was applied last: only where the annotation is there already, and it is
 * nobody's doing.
 */
function syncLastApplied(context: WriteContext, object: ApiObject, config: ApiObject): void {
  const { annotations } = object.metadata;
  if (context.manager !== kubectlManager || !annotations?.[lastAppliedAnnotation]) return;
  const { [lastAppliedAnnotation]: _last, ...others } = config.metadata.annotations ?? {};
  const metadata = { ...config.metadata, annotations: others };
  annotations[lastAppliedAnnotation] = `${JSON.stringify({ ...config, metadata })}\n`;
}
