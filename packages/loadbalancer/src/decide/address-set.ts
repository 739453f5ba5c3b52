// A set of addresses that is asked about many more.
import type { Address } from "@tsilium/net";

export class AddressSet {
  /** By the last four bytes, in which addresses differ the most. */
  readonly #byTail = new Map<number, Address[]>();

  constructor(addresses: Iterable<Address> = []) {
    for (const address of addresses) this.add(address);
  }

  add(address: Address): void {
    const tail = tailOf(address);
    const same = this.#byTail.get(tail);
    if (!same) this.#byTail.set(tail, [address]);
    else if (!this.has(address)) same.push(address);
  }

  has(address: Address): boolean {
    return this.#byTail.get(tailOf(address))?.some((other) => other.equals(address)) ?? false;
  }
}

function tailOf({ bytes }: Address): number {
  const end = bytes.length;
  return (
    ((bytes[end - 4] as number) << 24) |
    ((bytes[end - 3] as number) << 16) |
    ((bytes[end - 2] as number) << 8) |
    (bytes[end - 1] as number)
  );
}
