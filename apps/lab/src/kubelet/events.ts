// Kubernetes Events about pods and nodes: what a user reads when something does not come up. An event that
// repeats is counted, not created again.
import { type Event, type KubeClient, type KubeObject, resources } from "@tsilium/kube";
import type { Slots } from "./slots.ts";
import { now } from "./time.ts";

export type EventFacts = {
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly message: string;
};

/** How many distinct events are remembered for counting. */
const remembered = 1000;

export class EventRecorder {
  readonly #client: KubeClient;
  readonly #signal: AbortSignal;
  readonly #requests: Slots;
  readonly #host: string;
  readonly #known = new Map<string, { name: string; count: number }>();

  constructor(
    host: string,
    context: {
      readonly client: KubeClient;
      readonly requests: Slots;
      readonly signal: AbortSignal;
    },
  ) {
    this.#host = host;
    this.#client = context.client;
    this.#requests = context.requests;
    this.#signal = context.signal;
  }

  /** Sends an event and forgets it: one that cannot be written is lost, as in Kubernetes. */
  record(about: KubeObject & { readonly kind: string }, facts: EventFacts): void {
    void this.#requests.run(() => this.#write(about, facts)).catch(() => undefined);
  }

  async #write(about: KubeObject & { readonly kind: string }, facts: EventFacts): Promise<void> {
    const { name = "", namespace = "default", uid } = about.metadata;
    const key = [uid ?? name, facts.type, facts.reason, facts.message].join("\n");
    const known = this.#known.get(key);
    if (known) {
      known.count++;
      await this.#client.patch(resources.events, known.name, {
        type: "merge",
        namespace,
        patch: { count: known.count, lastTimestamp: now() },
        signal: this.#signal,
      });
      return;
    }
    const event = this.#newEvent(about, facts);
    this.#remember(key, event.metadata.name as string);
    await this.#client.create(resources.events, event, { namespace, signal: this.#signal });
  }

  #newEvent(about: KubeObject & { readonly kind: string }, facts: EventFacts): Event {
    const { name = "", namespace = "default", uid, resourceVersion } = about.metadata;
    const unique = process.hrtime.bigint().toString(16);
    return {
      metadata: { name: `${name}.${unique}`, namespace },
      involvedObject: {
        apiVersion: "v1",
        kind: about.kind,
        name,
        ...(about.metadata.namespace ? { namespace } : {}),
        ...(uid ? { uid } : {}),
        ...(resourceVersion ? { resourceVersion } : {}),
      },
      ...facts,
      count: 1,
      firstTimestamp: now(),
      lastTimestamp: now(),
      source: { component: "kubelet", host: this.#host },
    };
  }

  #remember(key: string, name: string): void {
    this.#known.set(key, { name, count: 1 });
    const oldest = this.#known.keys().next();
    if (this.#known.size > remembered && !oldest.done) this.#known.delete(oldest.value);
  }
}
