// Aggregated discovery (ADS), state of the world: one stream a client, all kinds on it. Serves what `set` said last, to
// whoever asks and whenever it changes; remembers what the newest client said to it.
import { create } from "@bufbuild/protobuf";
import type { Node } from "../gen/envoy/config/core/v3/base_pb.ts";
import {
  type DiscoveryRequest,
  type DiscoveryResponse,
  DiscoveryResponseSchema,
} from "../gen/envoy/service/discovery/v3/discovery_pb.ts";
import type { ResourceSet } from "../resources/resources.ts";
import { kindOf, type Kind, typeUrls } from "./kinds.ts";
import { Outlet } from "./outlet.ts";
import { type Heard, Subscription } from "./subscription.ts";
import { versionOf } from "./version.ts";

export type Refusal = {
  readonly version: string;
  /** The client's words; they may quote what it was sent. */
  readonly reason: string;
};

/** What the newest client said to a kind. */
export type Acknowledged = {
  readonly version: string;
  readonly resources: ResourceSet;
};

export type AdsEvent =
  /** A client came, or (undefined) the newest one went. */
  | { readonly kind: "client"; readonly node: Node | undefined }
  | { readonly kind: "ack"; readonly of: Kind }
  | { readonly kind: "nack"; readonly of: Kind; readonly refusal: Refusal };

type Client = {
  readonly subscriptions: Map<Kind, Subscription>;
  readonly outlet: Outlet<DiscoveryResponse>;
  node: Node | undefined;
};

export class Ads {
  /** Kinds that nothing is known of yet are not answered: silence leaves a client with what it has. */
  readonly #sets = new Map<Kind, { readonly resources: ResourceSet; readonly version: string }>();
  readonly #clients = new Set<Client>();
  readonly #acknowledged = new Map<Kind, Acknowledged>();
  readonly #refused = new Map<Kind, Refusal>();
  readonly #listeners = new Set<(event: AdsEvent) => void>();
  #newest: Client | undefined;
  #nonces = 0;

  /** Calls the listener after each event, until what is returned is called. */
  on(listener: (event: AdsEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Who the newest client says it is; undefined: there is none. */
  get node(): Node | undefined {
    return this.#newest?.node;
  }

  get connected(): boolean {
    return this.#newest?.node !== undefined;
  }

  /** What the newest client has in force, by its own word. */
  acknowledged(kind: Kind): Acknowledged | undefined {
    return this.#acknowledged.get(kind);
  }

  /** What the newest client said against what is set now; undefined: nothing. */
  refusal(kind: Kind): Refusal | undefined {
    const refusal = this.#refused.get(kind);
    return refusal?.version === this.#sets.get(kind)?.version ? refusal : undefined;
  }

  /** From now on these and no others of this kind. */
  set(kind: Kind, resources: ResourceSet): void {
    this.#sets.set(kind, { resources, version: versionOf(resources) });
    for (const client of this.#clients) {
      const subscription = client.subscriptions.get(kind);
      if (subscription) this.#answer(client, subscription, false);
    }
  }

  /** One client's stream, until it or `signal` ends it. */
  async *serve(
    requests: AsyncIterable<DiscoveryRequest>,
    signal: AbortSignal,
  ): AsyncGenerator<DiscoveryResponse> {
    const client: Client = { subscriptions: new Map(), outlet: new Outlet(), node: undefined };
    this.#clients.add(client);
    const stop = () => client.outlet.end();
    signal.addEventListener("abort", stop, { once: true });
    const reading = this.#read(client, requests).finally(stop);
    // Its failure is the end of the stream, which is told below.
    reading.catch(() => undefined);
    try {
      yield* client.outlet;
      if (!signal.aborted) await reading;
    } finally {
      signal.removeEventListener("abort", stop);
      this.#clients.delete(client);
      this.#leave(client);
    }
  }

  async #read(client: Client, requests: AsyncIterable<DiscoveryRequest>): Promise<void> {
    for await (const request of requests) {
      if (client.node === undefined) this.#arrive(client, request.node);
      const kind = kindOf(request.typeUrl);
      if (kind === undefined) continue;
      const subscription = client.subscriptions.get(kind) ?? new Subscription(kind);
      client.subscriptions.set(kind, subscription);
      const heard = subscription.hear({
        resourceNames: request.resourceNames,
        versionInfo: request.versionInfo,
        responseNonce: request.responseNonce,
        error: request.errorDetail?.message,
      });
      this.#tell(client, kind, heard);
      // A first request is answered even with nothing: the client waits to hear what there is.
      this.#answer(client, subscription, heard.kind === "subscribed");
    }
  }

  #arrive(client: Client, node: Node | undefined): void {
    client.node = node;
    this.#newest = client;
    this.#forget(node);
  }

  #leave(client: Client): void {
    if (this.#newest !== client) return;
    this.#newest = undefined;
    this.#forget(undefined);
  }

  #forget(node: Node | undefined): void {
    this.#acknowledged.clear();
    this.#refused.clear();
    this.#emit({ kind: "client", node });
  }

  #emit(event: AdsEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  #tell(client: Client, kind: Kind, heard: Heard): void {
    if (client !== this.#newest) return;
    if (heard.kind === "ack") {
      const { version, resources } = heard.sent;
      if (this.#acknowledged.get(kind)?.resources === resources) return;
      this.#acknowledged.set(kind, { version, resources });
      this.#refused.delete(kind);
      this.#emit({ kind: "ack", of: kind });
    }
    if (heard.kind === "nack") {
      const refusal = { version: heard.sent.version, reason: heard.reason };
      this.#refused.set(kind, refusal);
      this.#emit({ kind: "nack", of: kind, refusal });
    }
  }

  #answer(client: Client, subscription: Subscription, first: boolean): void {
    const { kind } = subscription;
    const set = this.#sets.get(kind);
    if (set === undefined || subscription.busy) return;
    const resources = subscription.wanted(set.resources);
    if (resources === undefined || (!first && subscription.was(resources))) return;
    const nonce = String(++this.#nonces);
    subscription.send({ nonce, version: set.version, resources });
    client.outlet.push(
      create(DiscoveryResponseSchema, {
        typeUrl: typeUrls[kind],
        versionInfo: set.version,
        nonce,
        resources: [...resources.values()].map(({ message }) => message),
        controlPlane: { identifier: "tsilium" },
      }),
    );
  }
}
