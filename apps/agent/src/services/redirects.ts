// CiliumLocalRedirectPolicies, followed where they are wanted and the cluster has them.
import { type CiliumLocalRedirectPolicy, objectKey, resources } from "@tsilium/kube";
import { redirectedService } from "@tsilium/loadbalancer";
import { Table } from "@tsilium/tables";
import { trimPolicy } from "../node/trim.ts";
import { intoTable } from "../node/watches.ts";
import type { Watches } from "../watches.ts";
import { followWhenDefined } from "../when-defined.ts";

/** Keyed "namespace/name"; indexes "namespace", and "service" by the "namespace/name" of the one that is redirected. */
export function redirectTable(): Table<CiliumLocalRedirectPolicy> {
  return new Table<CiliumLocalRedirectPolicy>({
    name: "ciliumlocalredirectpolicies",
    key: objectKey,
    indexes: {
      namespace: ({ metadata }) => [metadata.namespace ?? ""],
      service: (policy) => [redirectedService(policy) ?? ""],
    },
  });
}

/** Follows them into a table. Resolves when all there are is known, which may be none. @throws the signal's reason */
export function followRedirects(
  watches: Watches,
  table: Table<CiliumLocalRedirectPolicy>,
  signal: AbortSignal,
): Promise<void> {
  return followWhenDefined<CiliumLocalRedirectPolicy>(watches, table.name, {
    resource: resources.ciliumLocalRedirectPolicies,
    signal,
    trim: trimPolicy,
    handlers: intoTable(table),
  });
}
