// Who set which field of an object: for the API server's writers. Most of many an object's size.
import type { KubeObject } from "./types/meta.ts";

type Managed = KubeObject["metadata"] & { readonly managedFields?: unknown };

/** The object without `metadata.managedFields`; itself when it has none. A write without them leaves the server's alone. */
export function withoutManagedFields<T extends KubeObject>(object: T): T {
  const metadata: Managed = object.metadata;
  if (metadata.managedFields === undefined) return object;
  const { managedFields: _, ...rest } = metadata;
  return { ...object, metadata: rest };
}
