// Garbage collection: objects whose owners are gone go too; owners deleted in the foreground wait for them.
import {
  KubeError,
  objectKey,
  type KubeObject,
  type OwnerReference,
  type Resource,
} from "@tsilium/kube";
import { Cache } from "./cache.ts";
import type { Context } from "./context.ts";
import { Controller } from "./controller.ts";
import { resourceOf } from "./definition.ts";
import { isOvertaken } from "./failures.ts";
import { isTerminating } from "./objects.ts";

/** Kept of a custom resource: who it is, who owns it, and whether it goes. */
function metadataOnly({ metadata }: KubeObject): KubeObject {
  const { name, namespace, uid, resourceVersion, deletionTimestamp } = metadata;
  const { ownerReferences, finalizers } = metadata;
  const kept = { name, namespace, uid, resourceVersion, deletionTimestamp };
  const present = Object.entries({ ...kept, ownerReferences, finalizers }).filter(
    ([, value]) => value !== undefined,
  );
  return { metadata: Object.fromEntries(present) };
}

type Known = { readonly resource: Resource; readonly object: KubeObject };

export class GarbageCollector extends Controller {
  /** Everything we know of, by uid. */
  readonly #objects = new Map<string, Known>();
  /** uid of an owner -> uids of what it owns. */
  readonly #dependents = new Map<string, Set<string>>();
  readonly #custom = new Map<string, AbortController>();

  constructor(context: Context) {
    super(context, { name: "garbage", concurrency: 16 });
  }

  protected watch(): void {
    for (const cache of this.context.caches.all()) this.#follow(cache);
    this.context.caches.definitions.table.subscribe(
      ({ kind, row }) => {
        const resource = resourceOf(row);
        if (kind === "delete" || !resource) this.#unfollow(objectKey(row));
        else if (!this.#custom.has(objectKey(row))) this.#followCustom(objectKey(row), resource);
      },
      { replay: true },
    );
  }

  override async stop(): Promise<void> {
    for (const stopper of this.#custom.values()) stopper.abort();
    await super.stop();
  }

  #followCustom(name: string, resource: Resource): void {
    const stopper = new AbortController();
    this.#custom.set(name, stopper);
    const signal = AbortSignal.any([stopper.signal, this.context.signal]);
    const onError = (error: unknown) => {
      if (!signal.aborted && !KubeError.isNotFound(error)) {
        this.context.log.warn({ error, resource: resource.plural }, "watch failed");
      }
    };
    this.#follow(new Cache(this.context.client, resource, { signal, onError, trim: metadataOnly }));
  }

  #unfollow(name: string): void {
    this.#custom.get(name)?.abort();
    this.#custom.delete(name);
  }

  #follow(cache: Cache<KubeObject>): void {
    cache.table.subscribe(
      ({ kind, row }) => {
        const uid = row.metadata.uid ?? "";
        this.#forget(uid);
        if (kind === "upsert") this.#remember(uid, { resource: cache.resource, object: row });
        else for (const dependent of this.#dependents.get(uid) ?? []) this.queue.add(dependent);
      },
      { replay: true },
    );
  }

  #remember(uid: string, known: Known): void {
    this.#objects.set(uid, known);
    const { ownerReferences = [], deletionTimestamp } = known.object.metadata;
    for (const owner of ownerReferences) {
      const all = this.#dependents.get(owner.uid) ?? new Set<string>();
      this.#dependents.set(owner.uid, all.add(uid));
    }
    if (ownerReferences.length > 0 || deletionTimestamp !== undefined) this.queue.add(uid);
  }

  #forget(uid: string): void {
    const known = this.#objects.get(uid);
    if (!known) return;
    this.#objects.delete(uid);
    for (const owner of known.object.metadata.ownerReferences ?? []) {
      const all = this.#dependents.get(owner.uid);
      all?.delete(uid);
      if (all?.size === 0) this.#dependents.delete(owner.uid);
      // An owner that waits for its dependents may have waited for this one.
      this.queue.add(owner.uid);
    }
  }

  protected async reconcile(uid: string): Promise<void> {
    const known = this.#objects.get(uid);
    if (!known) return;
    const { finalizers = [], ownerReferences = [] } = known.object.metadata;
    if (isTerminating(known.object)) {
      if (finalizers.includes("orphan")) await this.#orphanDependents(uid, known);
      else if (finalizers.includes("foregroundDeletion")) await this.#deleteDependents(uid, known);
      return;
    }
    if (ownerReferences.length === 0) return;
    const missing: OwnerReference[] = [];
    for (const owner of ownerReferences) {
      if (await this.#isGone(owner, known.object.metadata.namespace)) missing.push(owner);
    }
    if (missing.length === ownerReferences.length) await this.#delete(known);
  }

  /** The caches are asked first, the API before anything is believed to be gone. */
  async #isGone(owner: OwnerReference, namespace: string | undefined): Promise<boolean> {
    if (this.#objects.has(owner.uid)) return false;
    const resource = this.#resourceFor(owner);
    if (!resource) return false;
    try {
      const found = await this.context.client.get(resource, owner.name, {
        namespace: resource.namespaced ? namespace : undefined,
        signal: this.context.signal,
      });
      return found.metadata.uid !== owner.uid;
    } catch (error) {
      if (KubeError.isNotFound(error)) return true;
      throw error;
    }
  }

  /** Kinds that we do not know own nothing that we would delete. */
  #resourceFor(owner: OwnerReference): Resource | undefined {
    const custom = [...this.context.caches.definitions.table.values()].map(resourceOf);
    const builtin = this.context.caches.all().map((cache) => cache.resource);
    const group = owner.apiVersion.includes("/") ? owner.apiVersion.split("/", 1)[0] : "";
    return [...builtin, ...custom].find(
      (resource) => resource?.kind === owner.kind && resource.group === group,
    );
  }

  async #delete({ resource, object }: Known): Promise<void> {
    const { name = "", namespace, uid } = object.metadata;
    try {
      await this.context.client.delete(resource, name, {
        namespace,
        propagationPolicy: "Background",
        ...(uid ? { preconditions: { uid } } : {}),
        signal: this.context.signal,
      });
    } catch (error) {
      // Another of that name is there by now: not the one we meant.
      if (!KubeError.isConflict(error)) throw error;
    }
  }

  async #deleteDependents(uid: string, owner: Known): Promise<void> {
    const dependents = this.#dependentsOf(uid);
    if (dependents.length === 0) return this.#removeFinalizer(owner, "foregroundDeletion");
    for (const dependent of dependents)
      if (!isTerminating(dependent.object)) await this.#delete(dependent);
  }

  async #orphanDependents(uid: string, owner: Known): Promise<void> {
    for (const { resource, object } of this.#dependentsOf(uid)) {
      const { name = "", namespace, ownerReferences = [], resourceVersion } = object.metadata;
      const others = ownerReferences.filter((reference) => reference.uid !== uid);
      await this.context.client.patch(resource, name, {
        namespace,
        type: "merge",
        patch: { metadata: { ownerReferences: others, resourceVersion } },
        signal: this.context.signal,
      });
    }
    await this.#removeFinalizer(owner, "orphan");
  }

  async #removeFinalizer({ resource, object }: Known, finalizer: string): Promise<void> {
    const { name = "", namespace, finalizers = [], resourceVersion } = object.metadata;
    try {
      await this.context.client.patch(resource, name, {
        namespace,
        type: "merge",
        patch: {
          metadata: {
            finalizers: finalizers.filter((other) => other !== finalizer),
            resourceVersion,
          },
        },
        signal: this.context.signal,
      });
    } catch (error) {
      if (!isOvertaken(error)) throw error;
    }
  }

  #dependentsOf(uid: string): Known[] {
    return [...(this.#dependents.get(uid) ?? [])].flatMap(
      (dependent) => this.#objects.get(dependent) ?? [],
    );
  }
}
