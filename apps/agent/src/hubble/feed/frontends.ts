// Whose the kernel's frontends are, by their numbers: events carry these.
import type { FrontendEntry } from "@tsilium/datapath/model.ts";
import type { ServiceBook } from "@tsilium/loadbalancer";
import { endpointText } from "@tsilium/loadbalancer/model.ts";
import { Address } from "@tsilium/net";
import type { Applied } from "../../services/writer.ts";
import type { FeedItem } from "./model.ts";
import type { FeedSource } from "./source.ts";

const anyIpv6 = Address.fromBigInt(0n, 6);

/** To be told (`applied`) of everything that the kernel was given of the book. */
export class FrontendNames implements FeedSource {
  readonly #book: ServiceBook;
  readonly #listeners = new Set<(item: FeedItem) => void>();

  constructor(book: ServiceBook) {
    this.#book = book;
  }

  *items(): Generator<FeedItem, void> {
    for (const { key } of this.#book.services()) yield* this.#itemsOf(key);
  }

  follow(say: (item: FeedItem) => void): Disposable {
    this.#listeners.add(say);
    return { [Symbol.dispose]: () => void this.#listeners.delete(say) };
  }

  applied({ keys, changes }: Pick<Applied, "keys" | "changes">): void {
    if (this.#listeners.size === 0) return;
    const { put, remove } = changes.frontends;
    for (const { id } of remove) this.#say({ kind: "frontend-gone", id });
    // Who lost a frontend to another, or got it back, is not among the keys.
    for (const entry of put) this.#say(this.#itemOf(keyOf(entry)));
    for (const { key } of keys) for (const item of this.#itemsOf(key)) this.#say(item);
  }

  *#itemsOf(service: string): Generator<FeedItem, void> {
    for (const { key } of this.#book.get(service)?.frontends ?? []) {
      const item = this.#itemOf(key);
      if (item) yield item;
    }
  }

  #itemOf(key: string): FeedItem | undefined {
    const row = this.#book.frontend(key);
    if (!row?.holder) return undefined;
    const { service, frontend } = row.holder;
    return {
      kind: "frontend",
      id: row.id,
      namespace: service.namespace,
      name: service.name,
      address: frontend.address.toString(),
      port: frontend.port,
      protocol: frontend.protocol,
    };
  }

  #say(item: FeedItem | undefined): void {
    if (item) for (const say of this.#listeners) say(item);
  }
}

function keyOf({ address, port, protocol }: FrontendEntry): string {
  return endpointText(address ?? anyIpv6, port, protocol);
}
