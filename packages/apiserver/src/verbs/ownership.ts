// Keeps account of who owns which field, through every write of an object: metadata.managedFields.
import type { WriteContext } from "./create.ts";
import { apiVersionOf, versionOf, type Version } from "../kinds/kind.ts";
import {
  ownersAfterUpdate,
  readOwners,
  writeOwners,
  type Owner,
  type Writer,
} from "../objects/managed-fields.ts";
import { isRecord } from "../objects/json.ts";
import { timestamp, type ApiObject } from "../objects/object.ts";
import { structureOf, type Structure } from "../objects/structure.ts";
import type { Target } from "./target.ts";

/** Who writes without saying who it is: the server itself. */
export const serverManager = "kube-apiserver";

export function writerOf(
  { manager = serverManager }: Pick<WriteContext, "manager">,
  target: Target,
  operation: Writer["operation"],
): Writer {
  return {
    manager,
    operation,
    apiVersion: apiVersionOf(target.kind, target.version),
    subresource: target.subresource ?? "",
  };
}

export function structureOfTarget({ kind, version }: Target): Structure {
  return structureOf(kind, versionOf(kind, version) as Version);
}

/** Fields of metadata that are somebody's; the others are the server's, or say which object it is. */
export const ownedMetadata = [
  "generateName",
  "labels",
  "annotations",
  "ownerReferences",
  "finalizers",
] as const;

/** What of an object is owned by those who write this subresource of it: what they cannot change is not theirs. */
export function trackedPart(object: ApiObject, target: Target): Record<string, unknown> {
  const { apiVersion: _version, kind: _kind, metadata, ...rest } = object;
  switch (target.subresource) {
    case "status":
      return { status: rest["status"] };
    case "finalize":
    case "scale":
      return { spec: rest["spec"] };
    default: {
      const owned = ownedMetadata.flatMap((name) =>
        metadata[name] === undefined ? [] : [[name, metadata[name]] as const],
      );
      if (target.kind.subresources.has("status")) delete rest["status"];
      return { ...(owned.length > 0 ? { metadata: Object.fromEntries(owned) } : {}), ...rest };
    }
  }
}

/** Gives a new object's fields to its writer. What is sent of others is believed, but for the fields: all are new. */
export function ownNew(context: WriteContext, target: Target, object: ApiObject): void {
  const owners = ownersAfterUpdate(readOwners(object.metadata.managedFields) ?? [], {
    before: {},
    after: trackedPart(object, target),
    structure: structureOfTarget(target),
    writer: writerOf(context, target, "Update"),
    now: timestamp(),
  });
  setOwners(object, owners);
}

/**
 * Gives the fields that a write changes to its writer.
 * @param sent the managedFields that came with the write: taken if they can be read, for a client may correct them.
 */
export function ownChanged(
  context: WriteContext,
  target: Target,
  {
    before,
    next,
    sent,
  }: { readonly before: ApiObject; readonly next: ApiObject; readonly sent: unknown },
): void {
  const reset = target.subresource === undefined && isReset(sent);
  const kept = reset ? [] : currentOwners(target, before, sent);
  // Of an object that nobody has kept account of, an update does not begin to.
  const tracked = kept.length > 0 || reset;
  const owners = tracked
    ? ownersAfterUpdate(kept, {
        before: trackedPart(before, target),
        after: trackedPart(next, target),
        structure: structureOfTarget(target),
        writer: writerOf(context, target, "Update"),
        now: timestamp(),
      })
    : kept;
  setOwners(next, owners);
}

function currentOwners(target: Target, before: ApiObject, sent: unknown): Owner[] {
  const given = target.subresource === undefined ? readOwners(sent) : undefined;
  return given && given.length > 0 ? given : (readOwners(before.metadata.managedFields) ?? []);
}

/** `managedFields: [{}]` is how clients have all of it forgotten; an empty list says nothing. */
function isReset(sent: unknown): boolean {
  return (
    Array.isArray(sent) &&
    sent.length === 1 &&
    isRecord(sent[0]) &&
    Object.keys(sent[0]).length === 0
  );
}

export function setOwners(object: ApiObject, owners: readonly Owner[]): void {
  const entries = writeOwners(owners);
  if (entries) object.metadata.managedFields = entries;
  else delete object.metadata.managedFields;
}
