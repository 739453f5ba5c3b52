// A collection kept in memory, that can be asked to wait until it shows what we wrote ourselves.
import {
  objectKey,
  reflectTable,
  type KubeClient,
  type KubeObject,
  type Reflected,
  type ReflectOptions,
  type Resource,
} from "@tsilium/kube";
import type { Table } from "@tsilium/tables";
import { controllerOf } from "./objects.ts";

export type CacheOptions<T> = Pick<ReflectOptions<T>, "signal" | "trim"> & {
  readonly indexes?: Readonly<Record<string, (object: T) => string[]>>;
  readonly onError: (error: unknown) => void;
};

/** Every cache files its objects by controlling owner and by namespace. */
const commonIndexes = {
  controller: (object: KubeObject) => {
    const owner = controllerOf(object);
    return owner ? [owner.uid] : [];
  },
  namespace: (object: KubeObject) => [object.metadata.namespace ?? ""],
};

export class Cache<T extends KubeObject> {
  readonly resource: Resource<T>;
  readonly #reflected: Reflected<T>;
  #revision = 0;
  readonly #waiters = new Set<() => void>();

  constructor(client: KubeClient, resource: Resource<T>, options: CacheOptions<T>) {
    this.resource = resource;
    this.#reflected = reflectTable(client, resource, {
      ...options,
      indexes: { ...commonIndexes, ...options.indexes },
      progress: (resourceVersion) => {
        this.#revision = Number(resourceVersion);
        for (const waiter of this.#waiters) waiter();
      },
    });
  }

  get table(): Table<T> {
    return this.#reflected.table;
  }

  get synced(): Promise<void> {
    return this.#reflected.synced;
  }

  get done(): Promise<void> {
    return this.#reflected.done;
  }

  get(key: string): T | undefined {
    return this.table.get(key);
  }

  /** Objects whose controlling owner has this uid. */
  ownedBy(uid: string): T[] {
    return this.table.by("controller", uid);
  }

  inNamespace(namespace: string): T[] {
    return this.table.by("namespace", namespace);
  }

  /**
   * Resolves when the cache has seen these writes of ours. Without that, a controller that looks again too
   * early would do its work twice.
   */
  async seen(written: readonly KubeObject[]): Promise<void> {
    const revision = Math.max(
      0,
      ...written.map((object) => Number(object.metadata.resourceVersion)),
    );
    await this.#until(() => this.#revision >= revision);
  }

  /** Resolves when these objects are gone from the cache or marked for deletion. */
  async seenDeleted(deleted: readonly KubeObject[]): Promise<void> {
    const isGone = (object: KubeObject) => {
      const now = this.get(objectKey(object));
      return (
        now === undefined ||
        now.metadata.uid !== object.metadata.uid ||
        now.metadata.deletionTimestamp !== undefined
      );
    };
    await this.#until(() => deleted.every(isGone));
  }

  async #until(condition: () => boolean): Promise<void> {
    if (condition()) return;
    // A watch that lags for this long is broken, and what follows is retried anyway.
    const giveUpMs = 10_000;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(
      () => reject(new Error(`the ${this.resource.plural} watch lags behind our own writes`)),
      giveUpMs,
    );
    const waiter = () => condition() && resolve();
    this.#waiters.add(waiter);
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      this.#waiters.delete(waiter);
    }
  }
}
