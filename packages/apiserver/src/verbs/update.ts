// PUT and PATCH: a new state for an object that is there, whole or of its status alone.
import { ApiError, badRequest, conflict, field, invalid, notFound } from "../errors.ts";
import { cloneJson, sameJson } from "../objects/json.ts";
import { toObject, withApiVersion, type ApiObject } from "../objects/object.ts";
import { apiVersionOf } from "../kinds/kind.ts";
import type { Stored, Transaction } from "../store/store.ts";
import type { WriteContext } from "./create.ts";
import { DryRun } from "./dry-run.ts";
import { judge, judgeStatus } from "./judge.ts";
import { adoptBody, placeOf, type Target } from "./target.ts";

/** @throws ApiError NotFound, Conflict, Invalid, BadRequest */
export async function replace(
  context: WriteContext,
  target: Target,
  object: ApiObject,
): Promise<Stored> {
  return DryRun.transact(context, (transaction) => {
    const stored = find(transaction, target);
    return write(context, target, { stored, object, transaction });
  });
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
    const seen = withApiVersion(stored.json, apiVersionOf(target.kind, target.version));
    const object = toObject(change(JSON.parse(seen)));
    return write(context, target, { stored, object, transaction });
  });
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
};

function write(
  context: WriteContext,
  target: Target,
  { stored, object, transaction }: Write,
): Stored {
  const { kind } = target;
  const before = JSON.parse(stored.json) as ApiObject;
  adoptBody(object, target);
  checkSame(target, object, before);
  const next = nextState(target, object, { before, warn: context.warn });
  // A write that changes nothing is no event. Allocation may only repeat what `before` holds.
  if (target.subresource === undefined)
    kind.strategy.allocate?.(next, cloneJson(before), transaction);
  if (sameJson(next, before)) return stored;
  const { metadata } = next;
  if (!sameJson(content(next, target), content(before, target)))
    metadata.generation = (before.metadata.generation ?? 0) + 1;
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
      judgeStatus(target, next);
      return next;
    }
    case "finalize":
      return { ...cloneJson(before), spec: object["spec"] ?? {} };
    case "binding":
      throw new ApiError(405, "MethodNotAllowed", "a binding is created, not changed");
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

/** What a generation counts the states of: all but metadata, and status where that is written apart. */
function content(object: ApiObject, target: Target): object {
  const { metadata: _metadata, ...rest } = object;
  return target.kind.subresources.has("status") ? { ...rest, status: undefined } : rest;
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
