// Identities in CRD mode: a CiliumIdentity object per set of labels, named by its number.
//
//   allocate(labels): known? --yes--> lowest number known
//                       \--no--> create at the number the labels suggest --taken--> same labels? use it
//                                                                             \--other labels--> next number
//
// The operator marks objects that no CiliumEndpoint names, and deletes them later. Who uses such an identity takes the
// mark off first, which makes the deletion fail: it is bound to the version that has the mark.
import {
  KubeError,
  type KubeClient,
  type CiliumIdentity,
  reflectObserved,
  resources,
  type WatchObserver,
} from "@tsilium/kube";
import type { Labels } from "@tsilium/net";
import { Reconciler, type ReconcilerLog, Table } from "@tsilium/tables";
import { candidateNumbers, identityOf, objectOf, winnerOf } from "./decide.ts";
import { IdentityError } from "./errors.ts";
import { type Identity, type SupersededIdentity, unusedAnnotation } from "./model.ts";
import { reservedIdentities } from "./reserved.ts";

export type IdentityAllocatorOptions = {
  readonly client: KubeClient;
  readonly log: ReconcilerLog;
  readonly observer?: WatchObserver;
  /** Numbers to try for new labels, best first. Default: where the labels' hash points, then onwards. */
  readonly candidates?: (labels: Labels) => Iterable<number>;
};

/**
 * An identity that this node uses. `missing`: its object is gone from the API server and must come back. `marked`: it is
 * about to be taken for unused, and must not be.
 */
type Use = {
  readonly identity: Identity;
  readonly references: number;
  readonly missing: boolean;
  readonly marked: boolean;
};

/** How long a pod waits for the API server to keep an identity that its node knows already. */
const unmarkPatienceMs = 2_000;

/** `start` begins the watch; everything ends with its signal. */
export class IdentityAllocator {
  /** Every identity there is, reserved ones included, keyed by number. */
  readonly table: Table<Identity> = new Table<Identity>({
    name: "identities",
    key: ({ id }) => String(id),
    indexes: { labels: ({ labels }) => [labels.key] },
    equals: (a, b) => a.labels.equals(b.labels),
  });
  readonly #options: IdentityAllocatorOptions;
  /** What local endpoints use, kept alive in the API server by the reconciler. */
  readonly #uses: Table<Use> = new Table<Use>({
    name: "used-identities",
    key: ({ identity }) => String(identity.id),
  });
  readonly #keeper: Reconciler<Use>;
  /** Numbers whose objects are marked as unused. */
  readonly #marked = new Set<number>();
  readonly #creating = new Map<string, Promise<Identity>>();
  readonly #listeners = new Set<(superseded: SupersededIdentity) => void>();
  #lifetime: AbortSignal | undefined;

  constructor(options: IdentityAllocatorOptions) {
    this.#options = options;
    this.#keeper = new Reconciler<Use>({
      name: "used-identities",
      table: this.#uses,
      operations: {
        update: (use, signal) => this.#restore(use, signal),
        delete: () => undefined,
      },
      log: options.log,
    });
    for (const identity of reservedIdentities) this.table.upsert(identity);
  }

  /** Begins to follow CiliumIdentities. Resolves when all there are is known. @throws the signal's reason */
  async start(signal: AbortSignal): Promise<void> {
    this.#lifetime = signal;
    const { client, observer } = this.#options;
    signal.addEventListener("abort", () => this.#keeper[Symbol.dispose](), { once: true });
    const { synced } = reflectObserved(client, resources.ciliumIdentities, {
      signal,
      observer,
      // At a cluster's start the kind may not be defined for a second.
      retry: { minMs: 50, maxMs: 1_000 },
      handlers: {
        upsert: (object) => this.#seen(object),
        delete: (object) => this.#vanished(object),
      },
    });
    await synced;
    this.#keeper.start();
  }

  /**
   * The identity of these labels, made if there is none, with one reference to it: give it back by `release`.
   * Known identities need no API server, unless they are marked as unused: then their users wait, if it answers, until the
   * mark is off. @throws KubeError when a new one cannot be made, IdentityError
   * identities_exhausted, the signal's reason
   */
  async allocate(labels: Labels, signal: AbortSignal): Promise<Identity> {
    signal.throwIfAborted();
    const identity = this.winner(labels) ?? (await abortable(this.#createOnce(labels), signal));
    this.#refer(identity, 1);
    if (this.#marked.has(identity.id)) await this.#keepFromDeletion(identity.id);
    if (!signal.aborted) return identity;
    this.#refer(identity, -1);
    throw signal.reason;
  }

  /** A reference to an identity known from before a restart, whether or not the API server can be asked. */
  restore(id: number, labels: Labels): Identity {
    const known = this.lookup(id);
    const identity = known ?? { id, labels, reserved: false };
    if (!known) {
      this.table.upsert(identity);
      this.#uses.upsert({ identity, references: 0, missing: true, marked: false });
    }
    this.#refer(identity, 1);
    return identity;
  }

  /** Gives one reference back. Objects nobody refers to stay: other nodes may use them. */
  release(id: number): void {
    const identity = this.#uses.get(String(id))?.identity;
    if (identity) this.#refer(identity, -1);
  }

  lookup(id: number): Identity | undefined {
    return this.table.get(String(id));
  }

  /** The identity that counts for these labels, if there is one. */
  winner(labels: Labels): Identity | undefined {
    return winnerOf(this.table.by("labels", labels.key));
  }

  /** How many references this node holds to an identity. */
  references(id: number): number {
    return this.#uses.get(String(id))?.references ?? 0;
  }

  /** Calls back when an identity that this node uses loses to a lower number with the same labels. */
  onSuperseded(listener: (superseded: SupersededIdentity) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /** Resolves when the objects of all identities in use are there. @throws the signal's reason */
  settled(signal: AbortSignal): Promise<void> {
    return this.#keeper.settled(signal);
  }

  #createOnce(labels: Labels): Promise<Identity> {
    const under = this.#creating.get(labels.key);
    if (under) return under;
    const made = this.#create(labels).finally(() => this.#creating.delete(labels.key));
    this.#creating.set(labels.key, made);
    return made;
  }

  async #create(labels: Labels): Promise<Identity> {
    if (!this.#lifetime) throw new TypeError("IdentityAllocator.allocate before start");
    const signal = this.#lifetime;
    for (const id of (this.#options.candidates ?? candidateNumbers)(labels)) {
      // While numbers were tried another node's object may have come.
      const known = this.winner(labels);
      if (known) return known;
      if (this.lookup(id)) continue;
      const identity = await this.#createAt({ id, labels, reserved: false }, signal);
      if (!identity.labels.equals(labels)) continue;
      return this.winner(labels) ?? identity;
    }
    throw new IdentityError("identities_exhausted", `no identity is left for ${labels}`);
  }

  /** Creates the object, or finds the one that has the name. Either way it is known afterwards. */
  async #createAt(wanted: Identity, signal: AbortSignal): Promise<Identity> {
    const { client } = this.#options;
    for (;;) {
      try {
        await client.create(resources.ciliumIdentities, objectOf(wanted), { signal });
        return this.#learn(wanted);
      } catch (error) {
        if (!KubeError.isAlreadyExists(error)) throw error;
      }
      try {
        const name = String(wanted.id);
        const found = await client.get(resources.ciliumIdentities, name, { signal });
        this.#noteMark(found);
        return this.#learn(identityOf(found));
      } catch (error) {
        // Deleted in between: the name is free again.
        if (!KubeError.isNotFound(error)) throw error;
      }
    }
  }

  #learn(identity: Identity): Identity {
    this.table.upsert(identity);
    return identity;
  }

  #seen(object: CiliumIdentity): void {
    const identity = identityOf(object);
    this.table.upsert(identity);
    const marked = this.#noteMark(object);
    const use = this.#uses.get(String(identity.id));
    // A number that went to other labels is as good as missing to those who use it for theirs.
    const missing = use !== undefined && !use.identity.labels.equals(identity.labels);
    if (use && (use.missing !== missing || use.marked !== marked))
      this.#uses.upsert({ ...use, missing, marked });
    for (const { identity: used } of this.#uses.values())
      if (used.id > identity.id && used.labels.equals(identity.labels))
        for (const listener of this.#listeners) listener({ from: used, to: identity });
  }

  #vanished(object: CiliumIdentity): void {
    const { id } = identityOf(object);
    this.#marked.delete(id);
    const use = this.#uses.get(String(id));
    if (use) this.#uses.upsert({ ...use, missing: true });
    else this.table.delete(String(id));
  }

  #noteMark({ metadata }: CiliumIdentity): boolean {
    const id = Number(metadata.name);
    const marked = metadata.annotations?.[unusedAnnotation] !== undefined;
    if (marked) this.#marked.add(id);
    else this.#marked.delete(id);
    return marked;
  }

  /** Takes the mark off. If that fails, the keeper goes on: what is known is good enough for a pod to start. */
  async #keepFromDeletion(id: number): Promise<void> {
    await this.#unmark(id, AbortSignal.timeout(unmarkPatienceMs)).catch(() => undefined);
  }

  async #unmark(id: number, signal: AbortSignal): Promise<void> {
    const { client } = this.#options;
    const object = await client.patch(resources.ciliumIdentities, String(id), {
      type: "merge",
      patch: { metadata: { annotations: { [unusedAnnotation]: null } } },
      signal,
    });
    this.#noteMark(object);
    const use = this.#uses.get(String(id));
    if (use?.marked) this.#uses.upsert({ ...use, marked: false });
  }

  async #restore({ identity, missing, marked }: Use, signal: AbortSignal): Promise<void> {
    if (!missing && marked)
      // Deleted in between: the watch says so, and it is made again.
      return this.#unmark(identity.id, signal).catch((error: unknown) => {
        if (!KubeError.isNotFound(error)) throw error;
      });
    if (!missing) return;
    const found = await this.#createAt(identity, signal);
    if (found.labels.equals(identity.labels)) return;
    // Its number went to other labels while this node could not be heard; its users must move.
    const successor = await this.#createOnce(identity.labels);
    for (const listener of this.#listeners) listener({ from: identity, to: successor });
  }

  #refer(identity: Identity, change: 1 | -1): void {
    const key = String(identity.id);
    const before = this.#uses.get(key);
    const references = (before?.references ?? 0) + change;
    if (references > 0)
      this.#uses.upsert({
        identity,
        references,
        missing: before?.missing ?? false,
        marked: this.#marked.has(identity.id),
      });
    else {
      this.#uses.delete(key);
      // Kept in the table only because it was in use.
      if (before?.missing && this.lookup(identity.id)?.labels.equals(identity.labels))
        this.table.delete(key);
    }
  }
}

/** The promise's outcome, or the signal's reason if that comes first. The work itself goes on for others. */
function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason as Error);
  signal.addEventListener("abort", abort, { once: true });
  return Promise.race([work, promise]).finally(() => signal.removeEventListener("abort", abort));
}
