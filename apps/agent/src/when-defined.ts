// Follows a kind that a cluster may not have: while its definition is there, and served, there is a watch on it.
import {
  type CustomResourceDefinition,
  type KubeObject,
  type ObservedOptions,
  objectKey,
  type Resource,
  resources,
} from "@tsilium/kube";
import type { Watches } from "./watches.ts";

/**
 * Starts. Resolves when all there is of the kind is known, which without a definition is nothing. When the definition
 * goes, everything of its kind went with it. @throws the signal's reason
 */
export async function followWhenDefined<T extends KubeObject>(
  watches: Watches,
  name: string,
  options: ObservedOptions<T> & { readonly resource: Resource<T> },
): Promise<void> {
  const kind = new OptionalKind(watches, name, options);
  await watches.start(`definition of ${name}`, resources.customResourceDefinitions, {
    fieldSelector: `metadata.name=${options.resource.plural}.${options.resource.group}`,
    signal: options.signal,
    trim: trimDefinition,
    handlers: {
      upsert: (definition) => kind.set(isServed(definition, options.resource)),
      delete: () => kind.set(false),
    },
  });
  await kind.known;
}

class OptionalKind<T extends KubeObject> {
  /** Resolves when the first watch has told what there is; at once as long as there is none. */
  known: Promise<void> = Promise.resolve();
  readonly #watches: Watches;
  readonly #name: string;
  readonly #options: ObservedOptions<T> & { readonly resource: Resource<T> };
  readonly #present = new Map<string, T>();
  #watching: AbortController | undefined;

  constructor(
    watches: Watches,
    name: string,
    options: ObservedOptions<T> & { readonly resource: Resource<T> },
  ) {
    this.#watches = watches;
    this.#name = name;
    this.#options = options;
  }

  set(served: boolean): void {
    if (served) this.#start();
    else this.#stop();
  }

  #start(): void {
    if (this.#watching) return;
    const { resource, handlers, ...options } = this.#options;
    const watching = new AbortController();
    this.#watching = watching;
    this.known = this.#watches.start(this.#name, resource, {
      ...options,
      signal: AbortSignal.any([options.signal, watching.signal]),
      handlers: {
        upsert: (object) => {
          // What was on its way when the definition went is gone too.
          if (watching.signal.aborted) return;
          this.#present.set(objectKey(object), object);
          handlers.upsert(object);
        },
        delete: (object) => {
          if (this.#present.delete(objectKey(object))) handlers.delete(object);
        },
      },
    });
    this.known.catch(() => undefined);
  }

  #stop(): void {
    this.#watching?.abort(new Error(`${this.#name} are no longer defined`));
    this.#watching = undefined;
    this.known = Promise.resolve();
    this.#watches.forget(this.#name);
    for (const object of this.#present.values()) this.#options.handlers.delete(object);
    this.#present.clear();
  }
}

function isServed(
  { spec, status }: CustomResourceDefinition,
  { version }: Pick<Resource, "version">,
): boolean {
  const established = (status?.conditions ?? []).some(
    (condition) => condition.type === "Established" && condition.status === "True",
  );
  return established && spec.versions.some(({ name, served }) => name === version && served);
}

/** Schemas are nearly all there is of a definition. */
function trimDefinition({ metadata, spec, status }: CustomResourceDefinition) {
  const { name = "", uid = "", resourceVersion = "" } = metadata;
  const versions = spec.versions.map(({ name: version, served, storage }) => ({
    name: version,
    served,
    storage,
  }));
  return {
    metadata: { name, uid, resourceVersion },
    spec: { ...spec, versions },
    ...(status ? { status } : {}),
  };
}
