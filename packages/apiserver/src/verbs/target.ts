// What a resource request points at.
import type { Kind, Subresource } from "../kinds/kind.ts";
import { apiVersionOf, resourceKey } from "../kinds/kind.ts";
import { badRequest } from "../errors.ts";
import type { ApiObject } from "../objects/object.ts";
import type { Place } from "../store/store.ts";

export type Target = {
  readonly kind: Kind;
  /** The version the client speaks. */
  readonly version: string;
  /** "" without: all namespaces, or a kind that has none. */
  readonly namespace: string;
  /** "" for the collection. */
  readonly name: string;
  readonly subresource: Subresource | undefined;
};

export function placeOf(target: Target, name = target.name): Place {
  return { resource: resourceKey(target.kind), namespace: target.namespace, name };
}

/**
 * Makes a body speak of the target: its apiVersion, kind and namespace may be left out, but not differ.
 * The object leaves in the version in which it is stored.
 * @throws ApiError BadRequest
 */
export function adoptBody(object: ApiObject, target: Target): void {
  const expected = apiVersionOf(target.kind, target.version);
  if (object.apiVersion !== "" && object.apiVersion !== expected) {
    throw badRequest(
      `the API version in the data (${object.apiVersion}) does not match the expected API version (${expected})`,
    );
  }
  if (object.kind !== "" && object.kind !== target.kind.kind) {
    throw badRequest(
      `the kind in the data (${object.kind}) does not match the expected kind (${target.kind.kind})`,
    );
  }
  object.apiVersion = apiVersionOf(target.kind, target.kind.storageVersion);
  object.kind = target.kind.kind;
  if (!target.kind.namespaced) {
    delete object.metadata.namespace;
    return;
  }
  object.metadata.namespace ??= target.namespace;
  if (object.metadata.namespace !== target.namespace) {
    throw badRequest(
      "the namespace of the provided object does not match the namespace sent on the request",
    );
  }
}
