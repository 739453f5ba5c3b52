// DELETE: at once, or a mark that finalizers and grace periods work off.
import {
  badRequest,
  conflict,
  field,
  forbidden,
  invalid,
  notFound,
  type Cause,
} from "../errors.ts";
import { isRecord, sameJson } from "../objects/json.ts";
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

const policies = ["Foreground", "Background", "Orphan"] as const;

/** DeleteOptions as a body, which may be absent. @throws ApiError BadRequest, Invalid */
export function toDeleteOptions(body: unknown): DeleteOptions {
  const given = body ?? {};
  if (!isRecord(given)) throw badRequest("DeleteOptions must be an object");
  const { gracePeriodSeconds, propagationPolicy, preconditions, orphanDependents } = given;
  if (gracePeriodSeconds !== undefined && gracePeriodSeconds !== null) {
    const valid = Number.isSafeInteger(gracePeriodSeconds);
    if (!valid) throw badRequest("gracePeriodSeconds must be an integer");
  }
  const seconds = (gracePeriodSeconds ?? undefined) as number | undefined;
  return {
    // As Kubernetes has it: a time that cannot be is the shortest that is one.
    gracePeriodSeconds: seconds !== undefined && seconds < 0 ? 1 : seconds,
    propagationPolicy: toPolicy(propagationPolicy ?? undefined, orphanDependents ?? undefined),
    preconditions: isRecord(preconditions) ? preconditions : {},
  };
}

function toPolicy(policy: unknown, orphan: unknown): DeleteOptions["propagationPolicy"] {
  const refused = (cause: Cause) =>
    invalid({ group: "meta.k8s.io", plural: "", kind: "DeleteOptions" }, "", [cause]);
  const path = "propagationPolicy";
  if (policy !== undefined && orphan !== undefined) {
    const why = "orphanDependents and deletionPropagation cannot be both set";
    throw refused(field.invalid(path, policy, why));
  }
  if (orphan !== undefined) return orphan === true ? "Orphan" : "Background";
  const known = policies.find((name) => name === policy);
  if (policy !== undefined && !known)
    throw refused(field.notSupported(path, policy, [...policies, "nil"]));
  return known;
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
  const { deletionGracePeriodSeconds: left = 0, finalizers = [] } = metadata;
  // Asking again may only shorten what is left, and say otherwise what becomes of dependents.
  const shorter = pending && grace < left;
  const kept = finalizersFor(finalizers, options.propagationPolicy);
  if (pending && !shorter && sameJson(kept, finalizers)) return { object: stored, gone: false };
  if (kept.length > 0 || metadata.finalizers) metadata.finalizers = kept;
  if (!pending || shorter) {
    const since = pending ? Date.parse(metadata.deletionTimestamp ?? "") - left * 1000 : Date.now();
    metadata.deletionTimestamp = timestamp(since + grace * 1000);
    metadata.deletionGracePeriodSeconds = grace;
  }
  if (!pending) {
    if (metadata.generation !== undefined) metadata.generation += 1;
    strategy.markDeleted?.(object);
  }
  if (isFinished(object))
    return { object: transaction.delete(placeOf(target), object), gone: true };
  return { object: transaction.put(placeOf(target), object), gone: false };
}

/** The collector's own finalizers follow the policy that was asked for last; without one they stay. */
function finalizersFor(
  finalizers: readonly string[],
  policy: DeleteOptions["propagationPolicy"],
): string[] {
  if (policy === undefined) return [...finalizers];
  const own: readonly string[] = Object.values(propagationFinalizers);
  const others = finalizers.filter((name) => !own.includes(name));
  return policy === "Background" ? others : [...others, propagationFinalizers[policy]];
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
