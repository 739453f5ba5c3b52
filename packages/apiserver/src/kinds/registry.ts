// Every kind that is served now: the built-in ones, and those of the stored CustomResourceDefinitions.
import type { ApiObject } from "../objects/object.ts";
import type { Store } from "../store/store.ts";
import { commonFields } from "./builtin.ts";
import { kindFromDefinition, customResourceDefinitions } from "./crds.ts";
import { resourceKey, type Admission, type Kind } from "./kind.ts";
import { eventsV1 } from "./events-v1.ts";
import { endpointSlices } from "./endpoint-slices.ts";
import { endpoints } from "./endpoints.ts";
import { namespaces } from "./namespaces.ts";
import { networkPolicies } from "./network-policies.ts";
import { pods } from "./pods.ts";
import { jobs } from "./jobs.ts";
import { reviews } from "./reviews.ts";
import { services, type ServiceOptions } from "./services.ts";
import { simpleKinds } from "./simple.ts";
import { controllerRevisions, statefulSets } from "./stateful-sets.ts";
import { validatingWebhookConfigurations } from "./webhook-configurations.ts";
import { daemonSets, deployments, replicaSets } from "./workloads.ts";

/** By "group/Kind": "cilium.io/CiliumNetworkPolicy". */
export type Admissions = Readonly<Record<string, Admission>>;

export type RegistryOptions = ServiceOptions & {
  readonly admissions?: Admissions | undefined;
};

const none: readonly string[] = [];

export class Registry {
  readonly #kinds = new Map<string, Kind>();
  readonly #builtin: ReadonlySet<string>;
  readonly #admissions: Admissions;

  constructor(options: RegistryOptions) {
    this.#admissions = options.admissions ?? {};
    const kinds = [
      pods,
      namespaces,
      services(options),
      endpointSlices,
      endpoints,
      ...simpleKinds,
      eventsV1,
      deployments,
      replicaSets,
      daemonSets,
      statefulSets,
      controllerRevisions,
      jobs,
      networkPolicies,
      validatingWebhookConfigurations,
      ...reviews,
      customResourceDefinitions,
    ];
    for (const kind of kinds) this.#add(kind);
    this.#builtin = new Set(this.#kinds.keys());
  }

  /** Serves the definitions that the store holds, from now on as they change. */
  follow(store: Store): Disposable {
    const definitions = resourceKey(customResourceDefinitions);
    for (const stored of store.collection(definitions).list()) this.define(parse(stored.json));
    return store.onChange((resource, change) => {
      if (resource !== definitions) return;
      if (change.deleted) this.#undefine(parse(change.object.json));
      else this.define(parse(change.object.json));
    });
  }

  /** Serves the kind of a valid definition, in place of an older one of it. */
  define(definition: ApiObject): void {
    const kind = kindFromDefinition(definition);
    if (!this.isBuiltin(kind.group, kind.plural)) this.#add(kind);
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

  /** What of an object no other of its kind may have. */
  claimsOf(resource: string, object: ApiObject): readonly string[] {
    return this.#kinds.get(resource)?.strategy.claims?.(object) ?? none;
  }

  #undefine(definition: ApiObject): void {
    const kind = kindFromDefinition(definition);
    if (!this.isBuiltin(kind.group, kind.plural)) this.#kinds.delete(resourceKey(kind));
  }

  #add(kind: Kind): void {
    const name = `${kind.group}/${kind.kind}`;
    const admission = Object.hasOwn(this.#admissions, name) ? this.#admissions[name] : undefined;
    this.#kinds.set(resourceKey(kind), { ...kind, admission });
  }
}

function parse(json: string): ApiObject {
  return JSON.parse(json) as ApiObject;
}
