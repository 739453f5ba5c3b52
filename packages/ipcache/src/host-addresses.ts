// Addresses of nodes, read from their texts: each is said with every pod of its node, and is one object for all of them.
import { Address } from "@tsilium/net";

/** Far more than a cluster has nodes; beyond it all are read anew, lest those of a cluster's past stay for ever. */
const capacity = 10_000;

export class HostAddresses {
  readonly #known = new Map<string, Address>();

  /** The same object for the same text; undefined for what is no address. */
  of(text: string): Address | undefined {
    const known = this.#known.get(text);
    if (known) return known;
    const address = Address.tryParse(text);
    if (!address) return undefined;
    if (this.#known.size >= capacity) this.#known.clear();
    this.#known.set(text, address);
    return address;
  }
}
