// What every cluster has from its first moment: the system namespaces and the service "kubernetes".
import { Prefix } from "@tsilium/net";
import { ApiError } from "./errors.ts";
import type { Kind } from "./kinds/kind.ts";
import { systemNamespaces } from "./kinds/namespaces.ts";
import type { Registry } from "./kinds/registry.ts";
import type { ApiObject } from "./objects/object.ts";
import type { Store } from "./store/store.ts";
import { create } from "./verbs/create.ts";

/** Idempotent: what is there stays as it is. */
export async function bootstrap(parts: {
  readonly store: Store;
  readonly registry: Registry;
  readonly serviceRanges: readonly string[];
}): Promise<void> {
  const context = { store: parts.store, registry: parts.registry, dryRun: false };
  const ensure = async (plural: string, object: ApiObject) => {
    const kind = parts.registry.find("", plural) as Kind;
    const namespace = object.metadata.namespace ?? "";
    try {
      await create(
        context,
        { kind, version: "v1", namespace, name: "", subresource: undefined },
        object,
      );
    } catch (error) {
      if (!(error instanceof ApiError && error.code === "AlreadyExists")) throw error;
    }
  };
  for (const name of systemNamespaces) {
    await ensure("namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name } });
  }
  await ensure("serviceaccounts", {
    apiVersion: "v1",
    kind: "ServiceAccount",
    metadata: { name: "default", namespace: "default" },
  });
  await ensure("services", {
    apiVersion: "v1",
    kind: "Service",
    metadata: {
      name: "kubernetes",
      namespace: "default",
      labels: { component: "apiserver", provider: "kubernetes" },
    },
    spec: {
      clusterIP: firstAddress(parts.serviceRanges[0] ?? ""),
      ports: [{ name: "https", protocol: "TCP", port: 443, targetPort: 6443 }],
    },
  });
}

/** By convention the API's own service has the first address of the range: "10.96.0.0/16" -> "10.96.0.1". */
function firstAddress(range: string): string {
  return Prefix.parse(range).nth(1).toString();
}
