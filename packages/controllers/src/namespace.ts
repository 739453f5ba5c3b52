// Namespaces: what is in one that is deleted goes with it; every other has its "default" service account.
import { objectKey, KubeError, resources, type Namespace, type Resource } from "@tsilium/kube";
import type { Context } from "./context.ts";
import { Controller } from "./controller.ts";
import { ignoreNotFound, isNamespaceGone } from "./failures.ts";
import { isTerminating } from "./objects.ts";

/** How long until a namespace that still has something in it is looked at again. */
const lookAgainMs = 200;

export class NamespaceController extends Controller {
  constructor(context: Context) {
    super(context, { name: "namespace" });
  }

  protected watch(): void {
    this.context.caches.namespaces.table.subscribe(({ row }) => this.queue.add(objectKey(row)), {
      replay: true,
    });
  }

  protected async reconcile(name: string): Promise<void> {
    const namespace = this.context.caches.namespaces.get(name);
    if (!namespace) return;
    if (!isTerminating(namespace)) return this.#ensureServiceAccount(name);
    if (await this.#empty(name)) await this.#finalize(namespace);
    else this.queue.addAfter(name, lookAgainMs);
  }

  async #ensureServiceAccount(namespace: string): Promise<void> {
    const { client, caches, signal } = this.context;
    if (caches.serviceAccounts.get(`${namespace}/default`)) return;
    try {
      await client.create(
        resources.serviceAccounts,
        { metadata: { name: "default", namespace } },
        { signal },
      );
    } catch (error) {
      if (!KubeError.isAlreadyExists(error) && !isNamespaceGone(error)) throw error;
    }
  }

  /** Deletes everything in the namespace. True when nothing is left. */
  async #empty(namespace: string): Promise<boolean> {
    const { client, signal } = this.context;
    let left = 0;
    for (const resource of await namespacedResources(this.context)) {
      const { items } = await client.list(resource, { namespace, signal });
      if (items.length === 0) continue;
      left += items.length;
      await client.deleteCollection(resource, { namespace, signal });
    }
    return left === 0;
  }

  async #finalize(namespace: Namespace): Promise<void> {
    const { client, signal } = this.context;
    const finalizers = (namespace.spec?.finalizers ?? []).filter(
      (finalizer) => finalizer !== "kubernetes",
    );
    await ignoreNotFound(
      client.replace(
        resources.namespaces,
        { ...namespace, spec: { finalizers } },
        { subresource: "finalize", signal },
      ),
    );
  }
}

type ResourceList = {
  readonly resources: readonly {
    readonly name: string;
    readonly kind: string;
    readonly namespaced: boolean;
    readonly verbs: readonly string[];
  }[];
};
type GroupList = {
  readonly groups: readonly { readonly preferredVersion: { readonly groupVersion: string } }[];
};

/** Every resource that lives in namespaces, as discovery tells it now. */
async function namespacedResources(
  context: Pick<Context, "client" | "signal">,
): Promise<Resource[]> {
  const { client, signal } = context;
  const groups = JSON.parse(await client.raw("/apis", { signal })) as GroupList;
  const found: Resource[] = [];
  for (const groupVersion of [
    "v1",
    ...groups.groups.map((group) => group.preferredVersion.groupVersion),
  ]) {
    const path = groupVersion === "v1" ? "/api/v1" : `/apis/${groupVersion}`;
    const { resources: listed } = JSON.parse(await client.raw(path, { signal })) as ResourceList;
    const [group = "", version = ""] = groupVersion === "v1" ? ["", "v1"] : groupVersion.split("/");
    for (const { name, kind, namespaced, verbs } of listed) {
      if (namespaced && verbs.includes("list") && verbs.includes("delete"))
        found.push({ group, version, plural: name, kind, namespaced });
    }
  }
  return found;
}
