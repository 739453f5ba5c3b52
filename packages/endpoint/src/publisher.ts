// Keeps this node's CiliumEndpoints true: one row per pod, derived from endpoints and pods, and the writes
// that make the API server hold the same. Somebody else's edit or deletion is put right.
import {
  type CiliumEndpoint,
  KubeError,
  type KubeClient,
  type Pod,
  resources,
} from "@tsilium/kube";
import type { Address } from "@tsilium/net";
import { type Operations, Table } from "@tsilium/tables";
import { isDeepStrictEqual } from "node:util";
import { publishedEndpoint, type PublishedEndpoint } from "./cilium-endpoint.ts";
import type { Endpoint } from "./model.ts";
import { datapathDuty } from "./states.ts";

export type PublisherOptions = {
  readonly client: KubeClient;
  readonly endpoints: Table<Endpoint>;
  /** Pods of this node, keyed "namespace/name". */
  readonly pods: Table<Pod>;
  /** The node's underlay address, by which others recognise whose CiliumEndpoint it is. */
  readonly nodeAddress: Address;
};

type Row = PublishedEndpoint & { readonly attempt: number };

export class EndpointPublisher implements Disposable {
  /** What the API server should hold of this node, keyed "namespace/name". */
  readonly table: Table<Row> = new Table<Row>({
    name: "published-endpoints",
    key: ({ key }) => key,
    equals: isDeepStrictEqual,
  });
  readonly #options: PublisherOptions;
  /** What the API server holds under the same keys, as last heard from it. */
  readonly #heard = new Map<string, CiliumEndpoint>();
  readonly #subscriptions = new DisposableStack();

  constructor(options: PublisherOptions) {
    this.#options = options;
  }

  /** Begins to derive rows from what there is. */
  start(): void {
    const { endpoints, pods } = this.#options;
    const ofEndpoint = ({ namespace, podName }: Endpoint) => {
      if (podName !== "") this.#derive(`${namespace}/${podName}`);
    };
    this.#subscriptions.use(endpoints.subscribe(({ row }) => ofEndpoint(row), { replay: true }));
    this.#subscriptions.use(pods.subscribe(({ row }) => this.#derive(pods.key(row))));
  }

  [Symbol.dispose](): void {
    this.#subscriptions[Symbol.dispose]();
  }

  /** Told of every CiliumEndpoint the API server holds; `held` false when it was deleted there. */
  hear(object: CiliumEndpoint, held: boolean): void {
    const key = `${object.metadata.namespace}/${object.metadata.name}`;
    if (held) this.#heard.set(key, object);
    else this.#heard.delete(key);
    const row = this.table.get(key);
    if (row && !(held && sameContent(row.object, object))) {
      this.table.upsert({ ...row, attempt: row.attempt + 1 });
    }
    if (!this.#isOurs(object)) this.#heard.delete(key);
  }

  /** Writes for a reconciler over `table`. */
  get operations(): Operations<Row> {
    return {
      update: (row, signal) => this.#write(row, signal),
      delete: (row, signal) => this.#withdraw(row.key, signal),
    };
  }

  /** CiliumEndpoints that name this node and belong to no pod of it: left by an earlier life of the node. */
  orphans(): string[] {
    return [...this.#heard.keys()].filter((key) => !this.table.has(key));
  }

  /** Removes an orphan; idempotent. */
  async withdraw(key: string, signal: AbortSignal): Promise<void> {
    await this.#withdraw(key, signal);
  }

  #derive(key: string): void {
    const { endpoints, pods, nodeAddress } = this.#options;
    const rows = endpoints.by("pod", key);
    if (rows.some((row) => this.#isAhead(row, key))) return;
    const published = publishedEndpoint(rows, pods.get(key), nodeAddress);
    if (published) this.table.upsert({ ...published, attempt: this.table.get(key)?.attempt ?? 0 });
    else this.table.delete(key);
  }

  /**
   * Whether the endpoint has, or awaits, another identity than its packets, which carry the one before until the kernel
   * is ready for the new one. Other nodes judge connections anew when they are told, and by what packets say then: told
   * too early they would do it by the identity before, once and for all.
   */
  #isAhead({ id, identity, state }: Endpoint, key: string): boolean {
    const status = this.table.get(key)?.object.status;
    if (status?.id !== id || state === "ready" || datapathDuty(state) === "remove") return false;
    return state === "waiting-for-identity" || status.identity?.id !== identity;
  }

  async #write({ key, object }: Row, signal: AbortSignal): Promise<void> {
    const heard = this.#heard.get(key);
    if (heard && sameContent(object, heard)) return;
    const { client } = this.#options;
    const { name, namespace, ...metadata } = object.metadata;
    const patch = () =>
      client.patch(resources.ciliumEndpoints, name, {
        type: "merge",
        namespace,
        signal,
        patch: {
          metadata: { ...metadata, labels: labelChange(heard, object) },
          status: object.status,
        },
      });
    try {
      await (heard ? patch() : client.create(resources.ciliumEndpoints, object, { signal }));
    } catch (error) {
      if (!(error instanceof KubeError)) throw error;
      if (error.reason === "AlreadyExists") await patch();
      else if (error.reason === "NotFound") {
        // Either the object is gone, and is made again, or the pod's namespace is, and nothing is owed.
        this.#heard.delete(key);
        if (heard) await client.create(resources.ciliumEndpoints, object, { signal });
      } else throw error;
    }
  }

  async #withdraw(key: string, signal: AbortSignal): Promise<void> {
    const { client } = this.#options;
    const [namespace, name] = key.split("/") as [string, string];
    const current = await this.#current(namespace, name, signal);
    // A pod of the same name may live on another node by now; its CiliumEndpoint is not ours to take.
    if (!current || !this.#isOurs(current)) return;
    const { uid } = current.metadata;
    await client.delete(resources.ciliumEndpoints, name, {
      namespace,
      signal,
      ...(uid ? { preconditions: { uid } } : {}),
    });
  }

  async #current(
    namespace: string,
    name: string,
    signal: AbortSignal,
  ): Promise<CiliumEndpoint | undefined> {
    try {
      return await this.#options.client.get(resources.ciliumEndpoints, name, { namespace, signal });
    } catch (error) {
      if (error instanceof KubeError && error.reason === "NotFound") return undefined;
      throw error;
    }
  }

  #isOurs(object: CiliumEndpoint): boolean {
    return object.status?.networking?.node === this.#options.nodeAddress.toString();
  }
}

/** True when everything that we publish is there; what others added does not matter. */
function sameContent(wanted: CiliumEndpoint, held: CiliumEndpoint): boolean {
  return (
    isSubset(wanted.status, held.status) &&
    isSubset(wanted.metadata.ownerReferences, held.metadata.ownerReferences) &&
    isDeepStrictEqual(wanted.metadata.labels ?? {}, held.metadata.labels ?? {})
  );
}

/** Labels for a merge patch: those that are too many are set to null, which removes them (RFC 7386). */
function labelChange(held: CiliumEndpoint | undefined, wanted: CiliumEndpoint): object {
  const labels = wanted.metadata.labels ?? {};
  const surplus = Object.keys(held?.metadata.labels ?? {}).filter((key) => !(key in labels));
  return { ...labels, ...Object.fromEntries(surplus.map((key) => [key, null])) };
}

function isSubset(wanted: unknown, held: unknown): boolean {
  if (wanted === undefined) return true;
  if (Array.isArray(wanted) || typeof wanted !== "object" || wanted === null) {
    return Array.isArray(wanted) && Array.isArray(held)
      ? wanted.length === held.length && wanted.every((item, index) => isSubset(item, held[index]))
      : wanted === held;
  }
  if (typeof held !== "object" || held === null) return false;
  return Object.entries(wanted).every(([key, value]) =>
    isSubset(value, (held as Record<string, unknown>)[key]),
  );
}
