// Local pods by their addresses, as text: records of proxies have nothing else.
import type { Endpoint } from "@tsilium/endpoint/model.ts";
import { Address } from "@tsilium/net";
import type { Table } from "@tsilium/tables";

export class EndpointAddresses implements Disposable {
  readonly #ids = new Map<string, number>();
  readonly #subscription: Disposable;

  constructor(endpoints: Table<Endpoint>) {
    this.#subscription = endpoints.subscribe(
      ({ kind, row }) => {
        for (const address of [row.ipv4, row.ipv6]) {
          const text = address?.toString();
          if (text === undefined) continue;
          if (kind !== "delete") this.#ids.set(text, row.id);
          // The address may be another's by now.
          else if (this.#ids.get(text) === row.id) this.#ids.delete(text);
        }
      },
      { replay: true },
    );
  }

  /** Number of the local pod that has it; 0: none has. */
  at(address: string): number {
    const found = this.#ids.get(address);
    if (found !== undefined || !address.includes(":")) return found ?? 0;
    // Written otherwise than we do.
    return this.#ids.get(Address.tryParse(address)?.toString() ?? "") ?? 0;
  }

  [Symbol.dispose](): void {
    this.#subscription[Symbol.dispose]();
  }
}
