// Which endpoint asked, by the address that a question came from.
import type { Endpoint } from "@tsilium/endpoint/model.ts";
import { addressKey } from "@tsilium/fqdn";
import { Address } from "@tsilium/net";
import type { Table } from "@tsilium/tables";

/** Endpoint of whom no pod of this node has the address (any more). */
export const unknownEndpoint = 0;

export class Clients implements Disposable {
  readonly #ids = new Map<string, number>();
  readonly #subscription: Disposable;

  constructor(endpoints: Table<Endpoint>) {
    this.#subscription = endpoints.subscribe(
      ({ kind, row, previous }) => {
        for (const text of previous ? textsOf(previous) : []) this.#forget(text, row.id);
        for (const text of textsOf(row))
          if (kind === "upsert") this.#ids.set(text, row.id);
          else this.#forget(text, row.id);
      },
      { replay: true },
    );
  }

  endpointOf(client: string): number {
    const address = Address.tryParse(client);
    return (address && this.#ids.get(addressKey(address))) ?? unknownEndpoint;
  }

  [Symbol.dispose](): void {
    this.#subscription[Symbol.dispose]();
  }

  /** The next pod may have it already. */
  #forget(text: string, id: number): void {
    if (this.#ids.get(text) === id) this.#ids.delete(text);
  }
}

function textsOf({ ipv4, ipv6 }: Endpoint): string[] {
  return [ipv4, ipv6].flatMap((address) => (address ? [address.toString()] : []));
}
