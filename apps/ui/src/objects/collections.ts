// What the API server has, as rows that stay up to date. A collection is watched from when somebody first asks for it.
import {
  type EndpointSlice,
  type KubeClient,
  type KubeObject,
  reflect,
  type Resource,
  resources,
  type Service,
  serviceNameLabel,
} from "@tsilium/kube";
import type { ObjectRow } from "../shared/stream.ts";
import { endpointRow, identityRow, policyRow, serviceRow } from "./rows.ts";

export type Change =
  | { readonly kind: "upsert"; readonly row: ObjectRow }
  | { readonly kind: "remove"; readonly key: string };

/** Rows by key, and who wants to hear of changes. */
export class Collection {
  readonly rows = new Map<string, ObjectRow>();
  /** Parts that have been listed once, of how many. */
  #synced = 0;
  readonly #parts: number;
  #error = "";
  readonly #listeners = new Set<(change: Change | "state") => void>();

  constructor(parts: number) {
    this.#parts = parts;
  }

  get isSynced(): boolean {
    return this.#synced >= this.#parts;
  }

  /** Why the API server cannot be asked just now; "": it can. */
  get error(): string {
    return this.#error;
  }

  subscribe(listener: (change: Change | "state") => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Resolves when everything has been listed once, or after so long. */
  async synced(withinMs: number): Promise<void> {
    if (this.isSynced) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        clearTimeout(timer);
        stop();
        resolve();
      };
      const timer = setTimeout(done, withinMs);
      const stop = this.subscribe((change) => {
        if (change === "state" && this.isSynced) done();
      });
    });
  }

  upsert(row: ObjectRow): void {
    this.rows.set(row.key, row);
    this.#tell({ kind: "upsert", row });
  }

  remove(key: string): void {
    if (this.rows.delete(key)) this.#tell({ kind: "remove", key });
  }

  notePartSynced(): void {
    this.#synced++;
    this.#tell("state");
  }

  noteError(error: string): void {
    if (this.#error === error) return;
    this.#error = error;
    this.#tell("state");
  }

  #tell(change: Change | "state"): void {
    for (const listener of this.#listeners) listener(change);
  }
}

export const collectionNames = ["endpoints", "identities", "policies", "services"] as const;
export type CollectionName = (typeof collectionNames)[number];

export class Collections {
  readonly #client: KubeClient;
  readonly #signal: AbortSignal;
  readonly #started = new Map<CollectionName, Collection>();

  constructor(client: KubeClient, signal: AbortSignal) {
    this.#client = client;
    this.#signal = signal;
  }

  get(name: CollectionName): Collection {
    let collection = this.#started.get(name);
    if (!collection) {
      collection = this.#start(name);
      this.#started.set(name, collection);
    }
    return collection;
  }

  /** Of what is watched: why the API server does not answer, "": it does. */
  get error(): string {
    for (const { error } of this.#started.values()) if (error !== "") return error;
    return "";
  }

  #start(name: CollectionName): Collection {
    switch (name) {
      case "endpoints":
        return this.#watched(this.#part(resources.ciliumEndpoints, endpointRow));
      case "identities":
        return this.#watched(this.#part(resources.ciliumIdentities, identityRow));
      case "policies":
        return this.#watched(
          this.#part(resources.networkPolicies, (object) => policyRow(object, "NetworkPolicy")),
          this.#part(resources.ciliumNetworkPolicies, (object) =>
            policyRow(object, "CiliumNetworkPolicy"),
          ),
          this.#part(resources.ciliumClusterwideNetworkPolicies, (object) =>
            policyRow(object, "CiliumClusterwideNetworkPolicy"),
          ),
        );
      case "services":
        return this.#services();
    }
  }

  #watched(...parts: readonly Part[]): Collection {
    const collection = new Collection(parts.length);
    for (const start of parts) start(collection);
    return collection;
  }

  #part<T extends KubeObject>(resource: Resource<T>, rowOf: (object: T) => ObjectRow): Part {
    return (collection) =>
      this.#reflect(resource, collection, {
        upsert: (object) => collection.upsert(rowOf(object)),
        delete: (object) => collection.remove(rowOf(object).key),
      });
  }

  /** A service's row has its slices' backends in it. */
  #services(): Collection {
    const collection = new Collection(2);
    const services = new Map<string, Service>();
    const slices = new Map<string, Map<string, EndpointSlice>>();
    const refresh = (key: string) => {
      const service = services.get(key);
      if (service) collection.upsert(serviceRow(service, slices.get(key)?.values() ?? []));
    };
    const keyOf = ({ metadata }: KubeObject) => `${metadata.namespace}/${metadata.name}`;
    this.#reflect(resources.services, collection, {
      upsert: (service) => {
        services.set(keyOf(service), service);
        refresh(keyOf(service));
      },
      delete: (service) => {
        services.delete(keyOf(service));
        collection.remove(keyOf(service));
      },
    });
    const serviceOf = ({ metadata }: EndpointSlice) =>
      `${metadata.namespace}/${metadata.labels?.[serviceNameLabel]}`;
    this.#reflect(resources.endpointSlices, collection, {
      upsert: (slice) => {
        const key = serviceOf(slice);
        const own = slices.get(key) ?? new Map<string, EndpointSlice>();
        slices.set(key, own.set(keyOf(slice), slice));
        refresh(key);
      },
      delete: (slice) => {
        slices.get(serviceOf(slice))?.delete(keyOf(slice));
        refresh(serviceOf(slice));
      },
    });
    return collection;
  }

  #reflect<T extends KubeObject>(
    resource: Resource<T>,
    collection: Collection,
    handlers: { upsert(object: T): void; delete(object: T): void },
  ): void {
    void reflect(this.#client, resource, {
      signal: this.#signal,
      trim: withoutManagedFields,
      handlers: {
        ...handlers,
        synced: () => collection.notePartSynced(),
        progress: () => collection.noteError(""),
        onError: (error) => {
          if (!this.#signal.aborted) collection.noteError((error as Error).message);
        },
      },
    });
  }
}

/** Starts to fill a collection with one kind of object. */
type Part = (collection: Collection) => void;

function withoutManagedFields<T extends KubeObject>(object: T): T {
  const { managedFields: _, ...metadata } = object.metadata as T["metadata"] & {
    managedFields?: unknown;
  };
  return { ...object, metadata };
}
