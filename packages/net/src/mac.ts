// Ethernet hardware addresses (EUI-48) as immutable values.
import { getRandomValues } from "node:crypto";
import { AddressError } from "./errors.ts";

const macText = /^[0-9a-fA-F]{2}([:-][0-9a-fA-F]{2}){5}$/;

/** A MAC address: six bytes in transmission order. */
export class Mac {
  /** Shared, not copied: never write to it. */
  readonly bytes: Uint8Array;

  private constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  static readonly zero: Mac = new Mac(new Uint8Array(6));
  static readonly broadcast: Mac = new Mac(new Uint8Array(6).fill(0xff));

  /** Reads "0a:00:27:00:00:01", also with dashes. @throws AddressError mac_invalid */
  static parse(text: string): Mac {
    if (!macText.test(text))
      throw new AddressError("mac_invalid", `not a MAC address: ${JSON.stringify(text)}`);
    return new Mac(Uint8Array.from(text.split(/[:-]/), (part) => Number.parseInt(part, 16)));
  }

  /** From six bytes (copied). @throws AddressError mac_invalid */
  static fromBytes(bytes: Uint8Array): Mac {
    if (bytes.length !== 6)
      throw new AddressError("mac_invalid", `a MAC address has 6 bytes, not ${bytes.length}`);
    return new Mac(Uint8Array.from(bytes));
  }

  /** A fresh one: locally administered, unicast (bits 0x02 and not 0x01 of the first byte), never seen from a vendor. */
  static random(): Mac {
    const bytes = getRandomValues(new Uint8Array(6));
    bytes[0] = ((bytes[0] as number) & 0xfc) | 0x02;
    return new Mac(bytes);
  }

  equals(other: Mac): boolean {
    return this.bytes.every((byte, index) => byte === other.bytes[index]);
  }

  /** Lower case with colons. */
  toString(): string {
    return Array.from(this.bytes, (byte) => byte.toString(16).padStart(2, "0")).join(":");
  }

  toJSON(): string {
    return this.toString();
  }

  /** What console.log and failing assertions show. */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.toString();
  }
}
