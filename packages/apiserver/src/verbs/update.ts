// PUT and PATCH: a new state for an object that is there, whole or of its status alone.
import { ApiError, badRequest, conflict, field, invalid, notFound } from "../errors.ts";
import { cloneJson, sameJson } from "../objects/json.ts";
import type { Owner } from "../objects/managed-fields.ts";
import { toObject, withApiVersion, type ApiObject } from "../objects/object.ts";
import { apiVersionOf, resourceKey, versionOf } from "../kinds/kind.ts";
import type { Stored, Transaction } from "../store/store.ts";
import type { WriteContext } from "./create.ts";
import { DryRun } from "./dry-run.ts";
import { countChange } from "./generation.ts";
import { judge, judgeStatus } from "./judge.ts";
import { ownChanged, setOwners } from "./ownership.ts";
import { replicasOf, scaleOf, withReplicas } from "./scale.ts";
import { adoptBody, placeOf, type Target } from "./target.ts";

/** @throws ApiError NotFound, Conflict, Invalid, BadRequest */
export async function replace(
  context: WriteContext,
  target: Target,
  object: ApiObject,
): Promise<Stored> {
  return DryRun.transact(context, (transaction) => {
    const stored = find(transaction, target);
    checkConditional(target, object);
    return write(context, target, { stored, object, transaction });
  });
}

/** Kinds of Kubernetes' own that are only replaced by who says which state they replace; custom kinds always are. */
const conditional: ReadonlySet<string> = new Set([
  "apiextensions.k8s.io/customresourcedefinitions",
  "coordination.k8s.io/leases",
]);

function checkConditional(target: Target, { metadata }: ApiObject): void {
  const { kind, version, name } = target;
  const isCustom = versionOf(kind, version)?.prune === true;
  if (target.subresource === "scale") return;
  if (metadata.resourceVersion || !(isCustom || conditional.has(resourceKey(kind)))) return;
  const cause = field.invalid("metadata.resourceVersion", 0, "must be specified for an update");
  throw invalid(kind, name, [cause]);
}

/**
 * Applies `change` to the object as the client sees it (its version, its resourceVersion) and writes the
 * result. Nothing can come in between, so a patch only conflicts if it names a resourceVersion itself.
 */
export async function patch(
  context: WriteContext,
  target: Target,
  change: (current: unknown) => unknown,
): Promise<Stored> {
  return DryRun.transact(context, (transaction) => {
    const stored = find(transaction, target);
    const object = toObject(change(asSeen(target, stored)));
    return write(context, target, { stored, object, transaction });
  });
}

/** What the client sees of an object at this subresource, in its version. */
function asSeen(target: Target, { json }: Stored): unknown {
  const seen = JSON.parse(
    withApiVersion(json, apiVersionOf(target.kind, target.version)),
  ) as ApiObject;
  return target.subresource === "scale" ? scaleOf(target, seen) : seen;
}

function find(transaction: Transaction, target: Target): Stored {
  const stored = transaction.get(placeOf(target));
  if (!stored) throw notFound(target.kind, target.name);
  return stored;
}

type Write = {
  readonly stored: Stored;
  readonly object: ApiObject;
  readonly transaction: Transaction;
  /** Whose the fields are then, where the writer has worked it out; else who changes a field gets it. */
  readonly owners?: readonly Owner[];
};

/** Writes the state that `object` gives at the target's subresource. @throws ApiError Conflict, Invalid, BadRequest */
export function write(
  context: WriteContext,
  target: Target,
  { stored, object, transaction, owners }: Write,
): Stored {
  const { kind } = target;
  const before = JSON.parse(stored.json) as ApiObject;
  if (target.subresource !== "scale") adoptBody(object, target);
  checkSame(target, object, before);
  const sent = object.metadata.managedFields;
  const next = nextState(target, object, { before, warn: context.warn });
  if (owners) setOwners(next, owners);
  else ownChanged(context, target, { before, next, sent });
  // A write that changes nothing is no event. Allocation may only repeat what `before` holds.
  if (target.subresource === undefined)
    kind.strategy.allocate?.(next, cloneJson(before), transaction);
  if (sameJson(next, before)) return stored;
  countChange(target, next, before);
  if (isFinished(next)) return transaction.delete(placeOf(target), next);
  return transaction.put(placeOf(target), next);
}

/** Optimistic concurrency: by resourceVersion if the client names one, by uid likewise. */
function checkSame(target: Target, object: ApiObject, before: ApiObject): void {
  const { metadata } = object;
  metadata.name ??= target.name;
  if (metadata.name !== target.name) {
    throw badRequest(
      `the name of the object (${metadata.name}) does not match the name on the URL (${target.name})`,
    );
  }
  if (metadata.resourceVersion && metadata.resourceVersion !== before.metadata.resourceVersion) {
    if (!/^\d+$/.test(metadata.resourceVersion)) {
      throw invalid(target.kind, target.name, [
        field.invalid("metadata.resourceVersion", metadata.resourceVersion, "must be a number"),
      ]);
    }
    throw conflict(target.kind, target.name);
  }
  if (metadata.uid && metadata.uid !== before.metadata.uid) {
    throw conflict(
      target.kind,
      target.name,
      `Precondition failed: UID in precondition: ${metadata.uid}, UID in object meta: ${before.metadata.uid ?? ""}`,
    );
  }
}

function nextState(
  target: Target,
  object: ApiObject,
  { before, warn }: { readonly before: ApiObject } & Pick<WriteContext, "warn">,
): ApiObject {
  const { kind, subresource } = target;
  switch (subresource) {
    case "status": {
      const next: ApiObject = { ...cloneJson(before), status: object["status"] };
      if (object["status"] === undefined) delete next["status"];
      judgeStatus(target, next, before);
      return next;
    }
    case "scale": {
      const next = withReplicas(target, before, replicasOf(object, target.name));
      judge(target, next, { before, warn });
      return next;
    }
    case "finalize":
      return { ...cloneJson(before), spec: object["spec"] ?? {} };
    case "binding":
    case "eviction":
    case "log":
    case "exec":
    case "attach":
    case "portforward":
      throw new ApiError(405, "MethodNotAllowed", `pods/${subresource} is not changed`);
    case undefined: {
      keepServerFields(object, before);
      if (kind.subresources.has("status")) {
        if (before["status"] === undefined) delete object["status"];
        else object["status"] = cloneJson(before["status"]);
      }
      checkFinalizers(target, object, before);
      judge(target, object, { before, warn });
      return object;
    }
  }
}

const serverFields = [
  "uid",
  "resourceVersion",
  "generation",
  "creationTimestamp",
  "deletionTimestamp",
  "deletionGracePeriodSeconds",
  "generateName",
] as const;

function keepServerFields(object: ApiObject, before: ApiObject): void {
  for (const name of serverFields) {
    if (before.metadata[name] === undefined) delete object.metadata[name];
    else Object.assign(object.metadata, { [name]: before.metadata[name] });
  }
}

function checkFinalizers(target: Target, object: ApiObject, before: ApiObject): void {
  if (before.metadata.deletionTimestamp === undefined) return;
  const known = before.metadata.finalizers ?? [];
  const added = (object.metadata.finalizers ?? []).filter(
    (finalizer) => !known.includes(finalizer),
  );
  if (added.length > 0) {
    throw invalid(target.kind, target.name, [
      field.forbidden(
        "metadata.finalizers",
        `no new finalizers can be added if the object is being deleted, found new finalizers ${JSON.stringify(added)}`,
      ),
    ]);
  }
}

/** Marked for deletion, its grace period over, and nobody holds it any more. */
export function isFinished(object: ApiObject): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds = 0, finalizers = [] } = object.metadata;
  return (
    deletionTimestamp !== undefined &&
    deletionGracePeriodSeconds === 0 &&
    finalizers.length === 0 &&
    namespaceFinalizers(object).length === 0
  );
}

/** A namespace is also held by its spec.finalizers. */
function namespaceFinalizers(object: ApiObject): readonly unknown[] {
  if (object.kind !== "Namespace" || object.apiVersion !== "v1") return [];
  const spec = object["spec"] as { finalizers?: unknown[] } | undefined;
  return spec?.finalizers ?? [];
}
