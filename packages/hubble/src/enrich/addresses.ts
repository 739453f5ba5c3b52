// Whose addresses are, in the whole cluster: the longest prefix that is known of. Pods and nodes have whole addresses, found
// at once; other prefixes are few.
import { Address, Prefix, PrefixTrie } from "@tsilium/net";
import type { AddressItem } from "./model.ts";

export class Addresses {
  readonly #hosts = new Map<string, AddressItem>();
  readonly #prefixes = new PrefixTrie<AddressItem>();

  /** @throws AddressError for what is no prefix */
  set(item: AddressItem): void {
    const prefix = Prefix.parse(item.prefix);
    if (prefix.isHost) this.#hosts.set(prefix.address.toString(), item);
    else this.#prefixes.set(prefix, item);
  }

  /** @throws AddressError for what is no prefix */
  delete(text: string): void {
    const prefix = Prefix.parse(text);
    if (prefix.isHost) this.#hosts.delete(prefix.address.toString());
    else this.#prefixes.delete(prefix);
  }

  /** Who has the address, as text; undefined: nobody that is known of. */
  of(address: string): AddressItem | undefined {
    const host = this.#hosts.get(address);
    if (host || this.#prefixes.size === 0) return host;
    const parsed = Address.tryParse(address);
    return (
      parsed && this.#prefixes.covering(Prefix.of(parsed, parsed.family === 4 ? 32 : 128)).at(-1)
    );
  }
}
