// Every kind that is served now: the built-in ones, and those of the stored CustomResourceDefinitions.
import type { ApiObject } from "../objects/object.ts";
import type { Store } from "../store/store.ts";
import { commonFields } from "./builtin.ts";
import { kindFromDefinition, customResourceDefinitions } from "./crds.ts";
import { resourceKey, type Kind } from "./kind.ts";
import { namespaces } from "./namespaces.ts";
import { pods } from "./pods.ts";
import { services } from "./services.ts";
import { simpleKinds } from "./simple.ts";
import { daemonSets, deployments, replicaSets } from "./workloads.ts";

export class Registry {
  readonly #kinds = new Map<string, Kind>();
  readonly #builtin: ReadonlySet<string>;

  constructor(options: { readonly serviceRanges: readonly string[] }) {
    const kinds = [
      pods,
      namespaces,
      services(options.serviceRanges),
      ...simpleKinds,
      deployments,
      replicaSets,
      daemonSets,
      customResourceDefinitions,
    ];
    for (const kind of kinds) this.#kinds.set(resourceKey(kind), kind);
    this.#builtin = new Set(this.#kinds.keys());
  }

  /** Serves the definitions that the store holds, from now on as they change. */
  follow(store: Store): Disposable {
    const definitions = resourceKey(customResourceDefinitions);
    for (const stored of store.collection(definitions).list()) this.#define(stored.json);
    return store.onChange((resource, change) => {
      if (resource !== definitions) return;
      if (change.deleted) this.#undefine(change.object.json);
      else this.#define(change.object.json);
    });
  }

  find(group: string, plural: string): Kind | undefined {
    return this.#kinds.get(`${group}/${plural}`);
  }

  /** Is this resource served by the server itself, so that no definition may take its place? */
  isBuiltin(group: string, plural: string): boolean {
    return this.#builtin.has(`${group}/${plural}`);
  }

  all(): Kind[] {
    return [...this.#kinds.values()];
  }

  /** Values of the fields that selectors may name. */
  fieldsOf(resource: string, object: ApiObject): Record<string, string> {
    const kind = this.#kinds.get(resource);
    const readers = kind?.selectableFields ?? commonFields;
    const fields: Record<string, string> = {};
    for (const [path, read] of Object.entries(readers)) fields[path] = read(object);
    return fields;
  }

  #define(json: string): void {
    const kind = kindFromDefinition(JSON.parse(json) as ApiObject);
    if (!this.isBuiltin(kind.group, kind.plural)) this.#kinds.set(resourceKey(kind), kind);
  }

  #undefine(json: string): void {
    const kind = kindFromDefinition(JSON.parse(json) as ApiObject);
    if (!this.isBuiltin(kind.group, kind.plural)) this.#kinds.delete(resourceKey(kind));
  }
}
