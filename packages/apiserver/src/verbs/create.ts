// POST: a new object.
import { randomUUID } from "node:crypto";
import { alreadyExists, ApiError, badRequest, forbidden, notFound } from "../errors.ts";
import type { Registry } from "../kinds/registry.ts";
import { generateName } from "../objects/names.ts";
import { timestamp, type ApiObject } from "../objects/object.ts";
import type { Store, Stored, Transaction } from "../store/store.ts";
import { judge } from "./judge.ts";
import { DryRun } from "./dry-run.ts";
import { countNew } from "./generation.ts";
import { ownNew } from "./ownership.ts";
import { adoptBody, placeOf, type Target } from "./target.ts";

export type WriteContext = {
  readonly store: Store;
  readonly registry: Registry;
  /** Go through all checks and answer, but keep nothing. */
  readonly dryRun: boolean;
  /** Who writes, as they call themselves (the fieldManager of a request); absent: the server. */
  readonly manager?: string | undefined;
  /** Told what is legal and yet hardly meant; the client hears of it. */
  readonly warn?: (text: string) => void;
  /** Called first in the write's transaction; what it throws undoes the write. */
  readonly guard?: (transaction: Transaction) => void;
};

type Insertion = {
  readonly object: ApiObject;
  readonly base?: string | undefined;
  readonly transaction: Transaction;
};

/** How often a generated name that is taken is drawn anew. */
const nameAttempts = 8;

/** @throws ApiError AlreadyExists, Invalid, NotFound (no such namespace), Forbidden (it is terminating) */
export async function create(
  context: WriteContext,
  target: Target,
  object: ApiObject,
): Promise<Stored> {
  adoptBody(object, target);
  if (object.metadata.resourceVersion)
    throw badRequest("resourceVersion should not be set on objects to be created");
  const base = prepareNew(context, target, object);
  ownNew(context, target, object);
  return DryRun.transact(context, (transaction) =>
    insertNew(context, target, { object, base, transaction }),
  );
}

/**
 * Makes an object new and judges it. @returns the base of a generated name, undefined for a given one.
 * @throws ApiError Invalid
 */
export function prepareNew(
  context: WriteContext,
  target: Target,
  object: ApiObject,
): string | undefined {
  const { metadata } = object;
  const base = metadata.name ? undefined : metadata.generateName;
  if (base) metadata.name = generateName(base);
  metadata.uid = randomUUID();
  metadata.creationTimestamp = timestamp();
  countNew(target, object);
  delete metadata.deletionTimestamp;
  delete metadata.deletionGracePeriodSeconds;
  const { kind } = target;
  if (kind.subresources.has("status") && !kind.strategy.createdWithStatus) delete object["status"];
  judge(target, object, { warn: context.warn });
  return base;
}

/** Writes an object that `prepareNew` has judged. @throws ApiError AlreadyExists, NotFound, Forbidden */
export function insertNew(
  context: WriteContext,
  target: Target,
  { object, base, transaction }: Insertion,
): Stored {
  checkHome(context, target, transaction);
  if (base) pickFreeName(target, object, { base, transaction });
  const place = placeOf(target, object.metadata.name);
  if (transaction.get(place)) throw alreadyExists(target.kind, place.name);
  target.kind.strategy.allocate?.(object, undefined, transaction);
  return transaction.put(place, object);
}

/** The namespace must be there and stay; a kind whose definition goes takes nothing new. */
function checkHome(context: WriteContext, target: Target, transaction: Transaction): void {
  const { kind } = target;
  if (context.registry.find(kind.group, kind.plural)?.terminating) {
    throw new ApiError(
      405,
      "MethodNotAllowed",
      "create not allowed while custom resource definition is terminating",
    );
  }
  if (!kind.namespaced) return;
  const home = { resource: "/namespaces", namespace: "", name: target.namespace };
  const stored = transaction.get(home);
  if (!stored)
    throw notFound({ group: "", plural: "namespaces", kind: "Namespace" }, target.namespace);
  if (stored.fields["status.phase"] === "Terminating") {
    throw forbidden(
      kind,
      target.name,
      `unable to create new content in namespace ${target.namespace} because it is being terminated`,
      [
        {
          reason: "NamespaceTerminating",
          message: `namespace ${target.namespace} is being terminated`,
          field: "metadata.namespace",
        },
      ],
    );
  }
}

function pickFreeName(
  target: Target,
  object: ApiObject,
  from: { readonly base: string; readonly transaction: Transaction },
): void {
  for (let attempt = 1; attempt < nameAttempts; attempt++) {
    if (!from.transaction.get(placeOf(target, object.metadata.name))) return;
    object.metadata.name = generateName(from.base);
  }
}
