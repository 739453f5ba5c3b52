// Gives every endpoint the subject that its identity, its pod's named ports and audit mode make, and another when they
// change. An endpoint's row in the kernel names a subject only once the kernel holds that subject's policy; until then
// the row stays as it is.
//
//   endpoints, pods, namespaces --> wanted subject --acquire--> worker --in force--> endpoint.policy --> its row
//                                                               \_ the one before is released after that
import { EndpointError, type Endpoints } from "@tsilium/endpoint";
import type { Endpoint } from "@tsilium/endpoint/model.ts";
import type { Namespace, Pod } from "@tsilium/kube";
import { Prefix } from "@tsilium/net";
import type { Logger } from "@tsilium/runtime";
import type { Table } from "@tsilium/tables";
import type { PolicyClient } from "./client.ts";
import { auditModeOf, namedPortsOf } from "./inputs/index.ts";
import type { SubjectState, WantedSubject } from "./model.ts";
import { Waiters } from "./waiters.ts";

export type EndpointPoliciesOptions = {
  readonly client: PolicyClient;
  readonly endpoints: Endpoints;
  /** Keyed "namespace/name". */
  readonly pods: Table<Pod>;
  /** Keyed by name. */
  readonly namespaces: Table<Namespace>;
  /** Subjects that rows in the kernel name. */
  readonly subjectsInKernel: () => Iterable<number>;
  readonly log: Logger;
};

/** What an endpoint's pod says beyond its identity. */
export type PodTraits = {
  readonly pod: Pod | undefined;
  readonly namespace: Namespace | undefined;
};

/** A reference to a subject. */
type Lease = { readonly subject: number; readonly wanted: WantedSubject };
type Holding = {
  /** That the endpoint's row has, or is about to. */
  current: Lease | undefined;
  /** Whose policy is being made. */
  next: (Lease & { readonly abort: AbortController }) | undefined;
  /** That the row may still name. */
  readonly past: Lease[];
};

const adoptionMs = 500;

export class EndpointPolicies implements Disposable {
  readonly #options: EndpointPoliciesOptions;
  readonly #holdings = new Map<number, Holding>();
  readonly #subscriptions = new DisposableStack();
  readonly #waiters = new Waiters();
  readonly #warned = new Set<string>();
  /** Endpoints whose rows may still name subjects of an earlier agent. */
  #restored: Set<number> = new Set();
  /** Audit mode of single endpoints, set by hand. */
  readonly #audited = new Map<number, boolean>();

  constructor(options: EndpointPoliciesOptions) {
    this.#options = options;
  }

  /** Begins to follow. Restored endpoints must have been taken up by then. */
  start(): void {
    const { endpoints, pods, namespaces, client } = this.#options;
    const { table } = endpoints;
    this.#restored = new Set(Array.from(table.values(), ({ id }) => id));
    const derive = (rows: readonly Endpoint[]) => rows.forEach((row) => this.#derive(row));
    this.#subscriptions.use(
      table.subscribe(
        ({ kind, row }) => (kind === "delete" ? this.#forget(row.id) : this.#derive(row)),
        { replay: true },
      ),
    );
    this.#subscriptions.use(pods.subscribe(({ row }) => derive(table.by("pod", pods.key(row)))));
    this.#subscriptions.use(
      namespaces.subscribe(({ row: { metadata } }) =>
        derive([...table.values()].filter(({ namespace }) => namespace === metadata.name)),
      ),
    );
    this.#subscriptions.use(
      client.subjects.subscribe(({ kind, row }) => {
        if (kind === "upsert" && row.state) this.#show(row.state);
      }),
    );
    this.#watchAdoption();
  }

  [Symbol.dispose](): void {
    this.#subscriptions[Symbol.dispose]();
    for (const { next } of this.#holdings.values()) next?.abort.abort();
  }

  /**
   * Gives an endpoint that is being added its policy; resolves when the kernel holds it and the endpoint names it.
   * @throws PolicyError, the signal's reason
   */
  async assign(id: number, traits: PodTraits, signal: AbortSignal): Promise<void> {
    const endpoint = this.#options.endpoints.get(id);
    if (!endpoint) return;
    this.#want(endpoint, this.#wantedOf(endpoint, traits));
    await this.#waiters.until(() => !this.#holdings.get(id)?.next, signal);
  }

  /**
   * Resolves when the kernel knows whose an endpoint's addresses are.
   * @throws EndpointError kernel_refused with what stands in the way, PolicyError, the signal's reason
   */
  async place({ id, ipv4, ipv6 }: Endpoint, signal: AbortSignal): Promise<void> {
    const { client } = this.#options;
    await client.placed(signal);
    const prefixes = [ipv4, ipv6].flatMap((address) =>
      address ? [Prefix.host(address).toString()] : [],
    );
    const [missing] = await client.ask({ kind: "addresses", prefixes });
    if (missing)
      throw new EndpointError(
        "kernel_refused",
        `endpoint ${id}: ${missing.name}: ${missing.reason}`,
      );
  }

  /** What a pod that is added would wait for. */
  get waitingFor(): string | undefined {
    return this.#options.client.waitingFor;
  }

  /** Told that the kernel holds an endpoint's row: subjects that it named before are not needed any more. */
  written({ id, policy }: Endpoint): void {
    const holding = this.#holdings.get(id);
    if (!holding?.current || policy?.subject !== holding.current.subject) return;
    const hadAnother = this.#restored.delete(id) || holding.past.length > 0;
    if (hadAnother) this.#options.client.endpointsMoved();
    for (const { subject } of holding.past.splice(0)) this.#options.client.release(subject);
  }

  /** Sets or ends audit mode for one endpoint, whatever annotations say; undefined: as they say. */
  setAudit(id: number, audit: boolean | undefined): void {
    if (audit === undefined) this.#audited.delete(id);
    else this.#audited.set(id, audit);
    const endpoint = this.#options.endpoints.get(id);
    if (endpoint) this.#derive(endpoint);
  }

  /** Resolves when every endpoint names the subject that it should. @throws the signal's reason */
  settled(signal: AbortSignal): Promise<void> {
    return this.#waiters.until(() => this.#waiting().length === 0, signal);
  }

  lag(): string | undefined {
    const waiting = this.#waiting();
    return waiting.length === 0 ? undefined : `endpoints ${waiting.join(", ")} wait for policy`;
  }

  #waiting(): number[] {
    return [...this.#holdings].flatMap(([id, { next }]) => (next ? [id] : []));
  }

  #derive(endpoint: Endpoint): void {
    const { pods, namespaces } = this.#options;
    // Until ADD is done it is ADD that knows the pod.
    if (endpoint.attachedAt === undefined || !isInUse(endpoint)) return;
    const pod = pods.get(`${endpoint.namespace}/${endpoint.podName}`);
    const namespace = namespaces.get(endpoint.namespace);
    const isPod = endpoint.podName !== "";
    if (isPod && (!namespace || pod?.metadata.uid !== endpoint.podUid)) return;
    this.#want(endpoint, this.#wantedOf(endpoint, { pod, namespace }));
  }

  #wantedOf(endpoint: Endpoint, { pod, namespace }: PodTraits): WantedSubject {
    const { audit: annotated, warnings } = auditModeOf(pod, namespace);
    for (const warning of warnings) this.#warn(endpoint, warning);
    return {
      identity: endpoint.identity,
      labels: endpoint.labels.toArray(),
      namedPorts: namedPortsOf(pod),
      audit: this.#audited.get(endpoint.id) ?? annotated,
    };
  }

  #want({ id }: Endpoint, wanted: WantedSubject): void {
    const { client, log } = this.#options;
    const holding = this.#holdings.get(id) ?? { current: undefined, next: undefined, past: [] };
    this.#holdings.set(id, holding);
    const latest = holding.next ?? holding.current;
    if (latest && sameSubject(latest.wanted, wanted)) return;
    this.#cancel(holding);
    if (holding.current && sameSubject(holding.current.wanted, wanted)) return;
    const abort = new AbortController();
    const { id: subject } = client.acquire(wanted);
    const next = { subject, wanted, abort };
    holding.next = next;
    client.inForce(subject, abort.signal).then(
      (state) => {
        if (holding.next === next) this.#use(id, holding, state);
      },
      (error: unknown) => {
        if (!abort.signal.aborted) log.error({ endpoint: id, error }, "an endpoint has no policy");
      },
    );
  }

  /** The subject's policy is in force: the endpoint's row may name it. */
  #use(id: number, holding: Holding, state: SubjectState): void {
    const { endpoints } = this.#options;
    const { next } = holding;
    const endpoint = endpoints.get(id);
    if (!next || !endpoint || !isInUse(endpoint)) return;
    if (holding.current) holding.past.push(holding.current);
    holding.current = next;
    holding.next = undefined;
    const { ingress, egress } = state;
    endpoints.change(id, {
      policy: { subject: next.subject, identity: next.wanted.identity, ingress, egress },
      ...(endpoint.state === "ready" ? { state: "waiting-to-regenerate" } : {}),
    });
    this.#waiters.wake();
  }

  /** A subject's policy is of another kind now: its endpoints say so. */
  #show({ id: subject, ingress, egress }: SubjectState): void {
    const { endpoints } = this.#options;
    for (const [id, { current }] of this.#holdings) {
      const policy = endpoints.get(id)?.policy;
      if (current?.subject !== subject || policy?.subject !== subject) continue;
      if (policy.ingress === ingress && policy.egress === egress) continue;
      endpoints.change(id, { policy: { ...policy, ingress, egress } });
    }
  }

  #forget(id: number): void {
    this.#audited.delete(id);
    this.#restored.delete(id);
    const holding = this.#holdings.get(id);
    if (!holding) return;
    this.#cancel(holding);
    this.#holdings.delete(id);
    const { current, past } = holding;
    for (const { subject } of current ? [current, ...past] : past)
      this.#options.client.release(subject);
    this.#waiters.wake();
  }

  #cancel(holding: Holding): void {
    const { next } = holding;
    if (!next) return;
    holding.next = undefined;
    next.abort.abort();
    this.#options.client.release(next.subject);
    this.#waiters.wake();
  }

  /** Tells the client, once, that no row in the kernel names a subject from before. */
  #watchAdoption(): void {
    const { client, subjectsInKernel } = this.#options;
    const timer = setInterval(() => {
      for (const subject of subjectsInKernel()) if (!client.subjects.has(String(subject))) return;
      clearInterval(timer);
      client.adopted();
    }, adoptionMs).unref();
    this.#subscriptions.defer(() => clearInterval(timer));
  }

  #warn({ namespace, podName }: Endpoint, warning: string): void {
    const key = `${namespace}/${podName}: ${warning}`;
    if (this.#warned.has(key)) return;
    this.#warned.add(key);
    this.#options.log.warn({ pod: `${namespace}/${podName}` }, warning);
  }
}

function isInUse({ state }: Endpoint): boolean {
  return (
    state !== "restoring" &&
    state !== "disconnecting" &&
    state !== "disconnected" &&
    state !== "invalid"
  );
}

function sameSubject(a: WantedSubject, b: WantedSubject): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
