// DELETE: at once, or a mark that finalizers and grace periods work off.
import { badRequest, conflict, forbidden, notFound } from "../errors.ts";
import { isRecord } from "../objects/json.ts";
import { timestamp, type ApiObject, type Metadata } from "../objects/object.ts";
import type { Stored, Transaction } from "../store/store.ts";
import type { WriteContext } from "./create.ts";
import { DryRun } from "./dry-run.ts";
import { isFinished } from "./update.ts";
import { placeOf, type Target } from "./target.ts";

export type DeleteOptions = {
  readonly gracePeriodSeconds: number | undefined;
  readonly propagationPolicy: "Background" | "Foreground" | "Orphan" | undefined;
  readonly preconditions: { readonly uid?: unknown; readonly resourceVersion?: unknown };
};

export type Deleted = { readonly object: Stored; readonly gone: boolean };

const propagationFinalizers = { Foreground: "foregroundDeletion", Orphan: "orphan" } as const;

/** DeleteOptions as a body, which may be absent. @throws ApiError BadRequest */
export function toDeleteOptions(body: unknown): DeleteOptions {
  const given = body ?? {};
  if (!isRecord(given)) throw badRequest("DeleteOptions must be an object");
  const { gracePeriodSeconds, propagationPolicy, preconditions, orphanDependents } = given;
  if (gracePeriodSeconds !== undefined && gracePeriodSeconds !== null) {
    const valid = Number.isSafeInteger(gracePeriodSeconds) && (gracePeriodSeconds as number) >= 0;
    if (!valid) throw badRequest("gracePeriodSeconds must be a non-negative integer");
  }
  const policy = propagationPolicy ?? (orphanDependents === true ? "Orphan" : undefined);
  if (policy !== undefined && !["Background", "Foreground", "Orphan"].includes(policy as string)) {
    throw badRequest("propagationPolicy must be Background, Foreground or Orphan");
  }
  return {
    gracePeriodSeconds: (gracePeriodSeconds ?? undefined) as number | undefined,
    propagationPolicy: policy as DeleteOptions["propagationPolicy"],
    preconditions: isRecord(preconditions) ? preconditions : {},
  };
}

/** @throws ApiError NotFound, Conflict (preconditions), Forbidden */
export async function remove(
  context: WriteContext,
  target: Target,
  options: DeleteOptions,
): Promise<Deleted> {
  return DryRun.transact(context, (transaction) => {
    const stored = transaction.get(placeOf(target));
    if (!stored) throw notFound(target.kind, target.name);
    return removeStored(transaction, { target, stored, options });
  });
}

type Removal = {
  readonly target: Target;
  readonly stored: Stored;
  readonly options: DeleteOptions;
};

function removeStored(transaction: Transaction, { target, stored, options }: Removal): Deleted {
  const { strategy } = target.kind;
  const object = JSON.parse(stored.json) as ApiObject;
  const { metadata } = object;
  checkPreconditions(target, metadata, options);
  const why = strategy.undeletable?.(object);
  if (why) throw forbidden(target.kind, target.name, why);

  const asked = options.gracePeriodSeconds;
  const grace = strategy.gracePeriodSeconds?.(object, asked) ?? 0;
  const pending = metadata.deletionTimestamp !== undefined;
  // Asking again may only shorten what is left.
  const shorter = pending && grace < (metadata.deletionGracePeriodSeconds ?? 0);
  if (pending && !shorter) return { object: stored, gone: false };
  const finalizer = options.propagationPolicy && propagationOf(options.propagationPolicy);
  if (!pending && finalizer) metadata.finalizers = [...(metadata.finalizers ?? []), finalizer];
  metadata.deletionTimestamp = timestamp(Date.now() + grace * 1000);
  metadata.deletionGracePeriodSeconds = grace;
  if (!pending) {
    metadata.generation = (metadata.generation ?? 0) + 1;
    strategy.markDeleted?.(object);
  }
  if (isFinished(object))
    return { object: transaction.delete(placeOf(target), object), gone: true };
  return { object: transaction.put(placeOf(target), object), gone: false };
}

function propagationOf(policy: "Background" | "Foreground" | "Orphan"): string | undefined {
  return policy === "Background" ? undefined : propagationFinalizers[policy];
}

function checkPreconditions(
  target: Target,
  metadata: Metadata,
  { preconditions }: DeleteOptions,
): void {
  for (const name of ["uid", "resourceVersion"] as const) {
    const wanted = preconditions[name];
    if (typeof wanted !== "string" || wanted === metadata[name]) continue;
    const word = name === "uid" ? "UID" : "ResourceVersion";
    throw conflict(
      target.kind,
      target.name,
      `Precondition failed: ${word} in precondition: ${wanted}, ${word} in object meta: ${metadata[name] ?? ""}`,
    );
  }
}
