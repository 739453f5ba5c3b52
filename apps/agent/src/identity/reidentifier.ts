// Follows labels: when a pod's or its namespace's labels change, the endpoint gets the identity that they
// make. The new identity is announced first (it is allocated, a CiliumIdentity for all to see) and used
// after a grace time, so that peers know it before its first packet comes.
//
//   pods, namespaces, endpoints --> labels each endpoint should have --> allocate --(grace)--> endpoint
import type { Endpoints } from "@tsilium/endpoint";
import type { Endpoint } from "@tsilium/endpoint/model.ts";
import { type Identity, ReservedIdentity } from "@tsilium/identity/model.ts";
import type { Namespace, Pod } from "@tsilium/kube";
import type { Labels } from "@tsilium/net";
import { type Operations, Table } from "@tsilium/tables";

/** The labels an endpoint should have. */
export type WantedLabels = {
  readonly endpointId: number;
  readonly labels: Labels;
  /** Grows when the same labels have to be looked at again. */
  readonly attempt: number;
};

export type ReidentifierOptions = {
  readonly endpoints: Endpoints;
  /** Keyed "namespace/name". */
  readonly pods: Table<Pod>;
  /** Keyed by name. */
  readonly namespaces: Table<Namespace>;
  /** Identity-relevant labels of a pod in its namespace. */
  readonly labelsOf: (pod: Pod, namespace: Namespace) => Labels;
  readonly allocate: (labels: Labels, signal: AbortSignal) => Promise<Identity>;
  readonly release: (id: number) => void;
  readonly graceMs: number;
};

export class Reidentifier implements Disposable {
  readonly table: Table<WantedLabels> = new Table<WantedLabels>({
    name: "endpoint-labels",
    key: ({ endpointId }) => String(endpointId),
    equals: (a, b) => a.attempt === b.attempt && a.labels.equals(b.labels),
  });
  readonly #options: ReidentifierOptions;
  readonly #subscriptions = new DisposableStack();
  /** Endpoints whose new identity is announced and not used yet. */
  readonly #announced = new Map<
    number,
    { identity: Identity; labels: Labels; timer: NodeJS.Timeout }
  >();
  readonly #superseded = new Set<number>();
  #waiters: (() => void)[] = [];

  constructor(options: ReidentifierOptions) {
    this.#options = options;
  }

  /** Begins to follow; pods and namespaces must hold what the API server holds by then. */
  start(): void {
    const { endpoints, pods, namespaces } = this.#options;
    const deriveAll = (rows: Iterable<Endpoint>) => {
      for (const row of rows) this.#derive(row);
    };
    this.#subscriptions.use(
      endpoints.table.subscribe(
        ({ kind, row }) => {
          if (kind === "delete") this.#forget(row.id);
          else this.#derive(row);
        },
        { replay: true },
      ),
    );
    this.#subscriptions.use(
      pods.subscribe(({ kind, row }) => {
        if (kind === "upsert") deriveAll(endpoints.table.by("pod", pods.key(row)));
      }),
    );
    this.#subscriptions.use(
      namespaces.subscribe(({ kind, row }) => {
        const name = row.metadata.name;
        if (kind === "upsert")
          deriveAll([...endpoints.table.values()].filter(({ namespace }) => namespace === name));
      }),
    );
  }

  [Symbol.dispose](): void {
    this.#subscriptions[Symbol.dispose]();
    for (const { timer } of this.#announced.values()) clearTimeout(timer);
  }

  /** Told that an identity lost its number to another with the same labels: its endpoints ask again. */
  supersede(identity: number): void {
    for (const endpoint of this.#options.endpoints.table.values().toArray()) {
      if (endpoint.identity !== identity) continue;
      const { id: endpointId, labels } = endpoint;
      const attempt = (this.table.get(String(endpointId))?.attempt ?? 0) + 1;
      this.#superseded.add(endpointId);
      this.table.upsert({ endpointId, labels, attempt });
    }
  }

  /** For a reconciler over `table`. */
  get operations(): Operations<WantedLabels> {
    return {
      update: (row, signal) => this.#identify(row, signal),
      delete: () => undefined,
    };
  }

  /** Endpoints that live through their grace time. */
  get announced(): number {
    return this.#announced.size;
  }

  /** Resolves when no endpoint lives through its grace time. @throws the signal's reason */
  async graceOver(signal: AbortSignal): Promise<void> {
    while (this.#announced.size > 0) {
      signal.throwIfAborted();
      await new Promise<void>((resolve) => {
        this.#waiters.push(resolve);
        signal.addEventListener("abort", () => resolve(), { once: true });
      });
    }
  }

  #derive(endpoint: Endpoint): void {
    const { pods, namespaces, labelsOf } = this.#options;
    // Before ADD is done the labels are its business.
    if (endpoint.attachedAt === undefined || endpoint.podName === "") return;
    if (endpoint.state === "disconnecting" || endpoint.state === "disconnected") return;
    const pod = pods.get(`${endpoint.namespace}/${endpoint.podName}`);
    const namespace = namespaces.get(endpoint.namespace);
    if (!pod || !namespace || pod.metadata.uid !== endpoint.podUid) return;
    const attempt = this.table.get(String(endpoint.id))?.attempt ?? 0;
    this.table.upsert({ endpointId: endpoint.id, labels: labelsOf(pod, namespace), attempt });
  }

  async #identify({ endpointId, labels }: WantedLabels, signal: AbortSignal): Promise<void> {
    const { endpoints, allocate, release, graceMs } = this.#options;
    this.#cancel(endpointId);
    const before = endpoints.get(endpointId);
    const superseded = this.#superseded.has(endpointId);
    if (!before || (!superseded && before.labels.equals(labels))) return;
    const identity = await allocate(labels, signal);
    const now = endpoints.get(endpointId);
    // Labels went on changing, or the endpoint went away, while the API server was asked.
    const stillWanted = this.table.get(String(endpointId))?.labels.equals(labels);
    if (!now || !stillWanted || now.identity === identity.id) {
      release(identity.id);
      return;
    }
    this.#superseded.delete(endpointId);
    // Nobody knows a pod by reserved:init, so there is nothing to be graceful about.
    const delayMs = now.identity === ReservedIdentity.init ? 0 : graceMs;
    const timer = setTimeout(() => this.#use(endpointId), delayMs);
    this.#announced.set(endpointId, { identity, labels, timer });
  }

  #use(endpointId: number): void {
    const { endpoints, release } = this.#options;
    const announced = this.#announced.get(endpointId);
    const endpoint = endpoints.get(endpointId);
    this.#announced.delete(endpointId);
    if (announced && endpoint && endpoint.state !== "disconnecting") {
      const { identity, labels } = announced;
      endpoints.change(endpointId, { state: "waiting-for-identity" });
      endpoints.change(endpointId, {
        state: "waiting-to-regenerate",
        identity: identity.id,
        labels,
      });
      release(endpoint.identity);
    }
    this.#wake();
  }

  #cancel(endpointId: number): void {
    const announced = this.#announced.get(endpointId);
    if (!announced) return;
    clearTimeout(announced.timer);
    this.#announced.delete(endpointId);
    this.#options.release(announced.identity.id);
    this.#wake();
  }

  #forget(endpointId: number): void {
    this.#cancel(endpointId);
    this.#superseded.delete(endpointId);
    this.table.delete(String(endpointId));
  }

  #wake(): void {
    for (const wake of this.#waiters.splice(0)) wake();
  }
}
