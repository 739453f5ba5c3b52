// CustomResourceDefinitions on their way out: the objects of their kind go first.
import { objectKey, resources, type CustomResourceDefinition, type Resource } from "@tsilium/kube";
import type { Context } from "./context.ts";
import { Controller } from "./controller.ts";
import { ignoreNotFound } from "./failures.ts";
import { isTerminating } from "./objects.ts";

const finalizer = "customresourcecleanup.apiextensions.k8s.io";
const lookAgainMs = 200;

export class DefinitionController extends Controller {
  constructor(context: Context) {
    super(context, { name: "definition" });
  }

  protected watch(): void {
    this.context.caches.definitions.table.subscribe(({ row }) => this.queue.add(objectKey(row)), {
      replay: true,
    });
  }

  protected async reconcile(key: string): Promise<void> {
    const { client, caches, signal } = this.context;
    const definition = caches.definitions.get(key);
    if (!definition || !isTerminating(definition)) return;
    if (!definition.metadata.finalizers?.includes(finalizer)) return;
    const resource = resourceOf(definition);
    if (resource) {
      const { items } = await client.list(resource, { signal });
      if (items.length > 0) {
        await client.deleteCollection(resource, { signal });
        this.queue.addAfter(key, lookAgainMs);
        return;
      }
    }
    const finalizers = definition.metadata.finalizers.filter((name) => name !== finalizer);
    await ignoreNotFound(
      client.patch(resources.customResourceDefinitions, key, {
        type: "merge",
        patch: {
          metadata: { finalizers, resourceVersion: definition.metadata.resourceVersion },
        },
        signal,
      }),
    );
  }
}

/** Where the objects of a definition are served; undefined when none of its versions is. */
export function resourceOf(definition: CustomResourceDefinition): Resource | undefined {
  const { group, names, scope, versions } = definition.spec;
  const served = versions.find((version) => version.served);
  if (!served) return undefined;
  return {
    group,
    version: served.name,
    plural: names.plural,
    kind: names.kind,
    namespaced: scope === "Namespaced",
  };
}
