// All objects and their history. Writers see each other's changes at once; readers see what is on the disk.
//
//   transact(fn) --> fn runs now, against the newest state (pending over committed)
//                --> the batch commits at the end of this turn of the event loop: one fsync for all of it
//                --> readers and watches see it, then the writers' promises resolve
import { ApiError } from "../errors.ts";
import { serialize, type ApiObject } from "../objects/object.ts";
import { Collection } from "./collection.ts";
import { Database } from "./database.ts";
import type { Change } from "./window.ts";

/** An object as it rests: serialised, with what selectors look at beside it. Never changed. */
export type Stored = {
  readonly resource: string;
  readonly namespace: string;
  readonly name: string;
  readonly revision: number;
  readonly json: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Values of the fields that field selectors of this resource may name. */
  readonly fields: Readonly<Record<string, string>>;
  /** What no other object of the resource may have. */
  readonly claims: readonly string[];
};

export type Place = {
  readonly resource: string;
  readonly namespace: string;
  readonly name: string;
};

/** Fields of an object that selectors may name, by resource. */
export type FieldIndex = (resource: string, object: ApiObject) => Readonly<Record<string, string>>;

/** What an object has for itself alone. */
export type ClaimsOf = (resource: string, object: ApiObject) => readonly string[];

export type Transaction = {
  get(place: Place): Stored | undefined;
  /** Who has what of a resource, in its newest state: claim -> "namespace/name". */
  claims(resource: string): ReadonlyMap<string, string>;
  /** Writes an object at its place, with the next revision as its resourceVersion. */
  put(place: Place, object: ApiObject): Stored;
  /** Removes an object; what is returned is its last state, at the deletion's revision. */
  delete(place: Place, object: ApiObject): Stored;
};

type Pending = { readonly place: Place; readonly object: Stored; readonly deleted: boolean };
type Waiter = { resolve(): void; reject(error: unknown): void };

const defaultWindowCapacity = 4096;

export type StoreOptions = {
  readonly folder: string;
  /** How many changes of one resource a watch can go back. */
  readonly windowCapacity?: number;
  readonly fieldIndex: FieldIndex;
  readonly claimsOf?: ClaimsOf;
  /** Told of listeners that throw: what is committed is committed, and the others hear of it. */
  readonly onFault?: (error: unknown) => void;
};

export class Store implements Disposable {
  readonly #database: Database;
  readonly #fieldIndex: FieldIndex;
  readonly #claimsOf: ClaimsOf;
  readonly #claims = new Map<string, Map<string, string>>();
  readonly #onFault: (error: unknown) => void;
  readonly #collections = new Map<string, Collection>();
  readonly #overlay = new Map<string, Pending>();
  readonly #listeners = new Set<(resource: string, change: Change) => void>();
  readonly #afterCommit = new Set<() => void>();
  readonly #startRevision: number;
  readonly #windowCapacity: number;
  #batch: Pending[] = [];
  #waiters: Waiter[] = [];
  #committed: number;
  #newest: number;

  /** Opens the store in `folder`, or makes it. @throws Error of node:sqlite when another process has it open. */
  constructor(options: StoreOptions) {
    this.#database = new Database(options.folder);
    this.#fieldIndex = options.fieldIndex;
    this.#claimsOf = options.claimsOf ?? (() => []);
    this.#windowCapacity = options.windowCapacity ?? defaultWindowCapacity;
    this.#onFault = options.onFault ?? (() => undefined);
    this.#startRevision = this.#committed = this.#newest = this.#database.revision();
    for (const row of this.#database.rows()) {
      const object = JSON.parse(row.json) as ApiObject;
      const stored = this.#stored(row, { object, revision: row.revision, json: row.json });
      this.collection(row.resource).put(keyOf(row), stored);
      this.#claim(row, stored);
    }
  }

  /** The revision that readers see. */
  get revision(): number {
    return this.#committed;
  }

  collection(resource: string): Collection {
    let collection = this.#collections.get(resource);
    if (!collection) {
      collection = new Collection({
        capacity: this.#windowCapacity,
        startRevision: this.#startRevision,
      });
      this.#collections.set(resource, collection);
    }
    return collection;
  }

  get(place: Place): Stored | undefined {
    return this.#collections.get(place.resource)?.get(keyOf(place));
  }

  /** Called for each committed change, in order, before the writer hears of it. */
  onChange(listener: (resource: string, change: Change) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) };
  }

  /** Called after each commit, when all of its changes are visible. */
  onCommit(listener: () => void): Disposable {
    this.#afterCommit.add(listener);
    return { [Symbol.dispose]: () => this.#afterCommit.delete(listener) };
  }

  /**
   * Runs `work` at once and resolves with its result when all it wrote is durable. A throw in `work` before
   * its first write leaves nothing behind; after a write it must not throw.
   * @throws what `work` throws; ApiError InternalError when the disk refuses (nothing is kept then).
   */
  async transact<T>(work: (transaction: Transaction) => T): Promise<T> {
    const before = this.#batch.length;
    const result = work(this.#transaction);
    if (this.#batch.length === before) return result;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiters.push({ resolve, reject });
    if (this.#waiters.length === 1) setImmediate(() => this.#commit());
    await promise;
    return result;
  }

  [Symbol.dispose](): void {
    if (this.#waiters.length > 0) this.#commit();
    this.#database[Symbol.dispose]();
  }

  readonly #transaction: Transaction = {
    get: (place) => this.#newestAt(place),
    claims: (resource) => this.#claims.get(resource) ?? new Map(),
    put: (place, object) => this.#add(place, object, { deleted: false }),
    delete: (place, object) => this.#add(place, object, { deleted: true }),
  };

  #newestAt(place: Place): Stored | undefined {
    const pending = this.#overlay.get(`${place.resource}\n${keyOf(place)}`);
    if (pending) return pending.deleted ? undefined : pending.object;
    return this.get(place);
  }

  #add(place: Place, object: ApiObject, how: { readonly deleted: boolean }): Stored {
    const revision = ++this.#newest;
    object.metadata.resourceVersion = String(revision);
    const stored = this.#stored(place, { object, revision, json: serialize(object) });
    const pending: Pending = { place, object: stored, deleted: how.deleted };
    const before = this.#newestAt(place);
    if (before) this.#disclaim(place, before);
    if (!how.deleted) this.#claim(place, stored);
    this.#batch.push(pending);
    this.#overlay.set(`${place.resource}\n${keyOf(place)}`, pending);
    return stored;
  }

  #stored(
    place: Place,
    from: { readonly object: ApiObject; readonly revision: number; readonly json: string },
  ): Stored {
    return {
      resource: place.resource,
      namespace: place.namespace,
      name: place.name,
      revision: from.revision,
      json: from.json,
      labels: from.object.metadata.labels ?? {},
      fields: this.#fieldIndex(place.resource, from.object),
      claims: this.#claimsOf(place.resource, from.object),
    };
  }

  #claim(place: Place, { claims }: Stored): void {
    if (claims.length === 0) return;
    let held = this.#claims.get(place.resource);
    if (!held) this.#claims.set(place.resource, (held = new Map()));
    for (const claim of claims) held.set(claim, keyOf(place));
  }

  #disclaim(place: Place, { claims }: Stored): void {
    const held = this.#claims.get(place.resource);
    for (const claim of claims) if (held?.get(claim) === keyOf(place)) held.delete(claim);
  }

  #commit(): void {
    const batch = this.#batch;
    const waiters = this.#waiters;
    this.#batch = [];
    this.#waiters = [];
    this.#overlay.clear();
    try {
      this.#database.begin();
      for (const { place, object, deleted } of batch) {
        if (deleted) this.#database.delete(place);
        else this.#database.upsert(object);
      }
      this.#database.commit(this.#newest);
    } catch (cause) {
      this.#abandon(waiters, cause);
      return;
    }
    this.#committed = this.#newest;
    for (const pending of batch) this.#publish(pending);
    for (const listener of this.#afterCommit) this.#call(listener);
    for (const waiter of waiters) waiter.resolve();
  }

  #abandon(waiters: readonly Waiter[], cause: unknown): void {
    this.#newest = this.#committed;
    this.#claims.clear();
    for (const collection of this.#collections.values())
      for (const stored of collection.list()) this.#claim(stored, stored);
    const error = new ApiError(
      500,
      "InternalError",
      `the store refused: ${(cause as Error).message}`,
    );
    try {
      this.#database.rollback();
    } finally {
      for (const waiter of waiters) waiter.reject(error);
    }
  }

  #publish({ place, object, deleted }: Pending): void {
    const collection = this.collection(place.resource);
    const key = keyOf(place);
    const previous = collection.get(key);
    if (deleted) collection.delete(key);
    else collection.put(key, object);
    const change: Change = { revision: object.revision, object, deleted, previous };
    collection.window.push(change);
    for (const listener of this.#listeners) this.#call(() => listener(place.resource, change));
  }

  #call(listener: () => void): void {
    try {
      listener();
    } catch (error) {
      this.#onFault(error);
    }
  }
}

function keyOf(place: { readonly namespace: string; readonly name: string }): string {
  return `${place.namespace}/${place.name}`;
}
