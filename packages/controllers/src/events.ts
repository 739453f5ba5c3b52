// Kubernetes Events by controllers: what `kubectl describe` lists under an object. One that cannot be written is lost, and
// who says too much about one object is not heard, as in Kubernetes.
import { type KubeClient, type KubeObject, resources } from "@tsilium/kube";
import { timestamp } from "./objects.ts";

export type EventFacts = {
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly message: string;
};

/** What an event is about. */
export type EventSubject = KubeObject & { readonly apiVersion: string; readonly kind: string };

/** Events about one object in a row; then one more for every `refillMs`. As client-go's. */
const burst = 25;
const refillMs = 300_000;
/** Objects that are remembered for that. */
const rememberedObjects = 1000;

export class EventRecorder {
  readonly #client: KubeClient;
  readonly #signal: AbortSignal;
  readonly #component: string;
  readonly #spent = new Map<string, { count: number; since: number }>();

  constructor(
    component: string,
    context: { readonly client: KubeClient; readonly signal: AbortSignal },
  ) {
    this.#component = component;
    this.#client = context.client;
    this.#signal = context.signal;
  }

  record(about: EventSubject, facts: EventFacts): void {
    const { name = "", namespace = "default", uid = "", resourceVersion } = about.metadata;
    if (!this.#mayTell(uid)) return;
    const time = timestamp();
    const event = {
      metadata: { name: `${name}.${process.hrtime.bigint().toString(16)}`, namespace },
      involvedObject: {
        apiVersion: about.apiVersion,
        kind: about.kind,
        name,
        namespace,
        uid,
        ...(resourceVersion ? { resourceVersion } : {}),
      },
      ...facts,
      count: 1,
      firstTimestamp: time,
      lastTimestamp: time,
      source: { component: this.#component },
    };
    const options = { namespace, signal: this.#signal };
    void this.#client.create(resources.events, event, options).catch(() => undefined);
  }

  #mayTell(uid: string): boolean {
    const now = performance.now();
    const spent = this.#spent.get(uid) ?? { count: 0, since: now };
    const refilled = Math.floor((now - spent.since) / refillMs);
    const count = Math.max(0, spent.count - refilled);
    if (count >= burst) return false;
    this.#spent.delete(uid);
    this.#spent.set(uid, { count: count + 1, since: spent.since + refilled * refillMs });
    const oldest = this.#spent.keys().next();
    if (this.#spent.size > rememberedObjects && !oldest.done) this.#spent.delete(oldest.value);
    return true;
  }
}
