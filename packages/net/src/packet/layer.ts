// One header of a packet under construction. Layers are encoded from the innermost outwards: each gets the
// bytes it carries and knows its neighbours.
import { Address } from "../address.ts";
import { Mac } from "../mac.ts";
import type { Endpoints } from "./checksum.ts";

export type Surroundings = {
  /** The layer this one carries, if any. */
  readonly next: Layer | undefined;
  /** Addresses of the IP header around this layer: what checksums cover. */
  readonly ip: Endpoints | undefined;
};

export type Layer = {
  /** Under what number an IP header carries this layer. */
  readonly ipProtocol?: number;
  /** Under what number Ethernet carries this layer. */
  readonly etherType?: number;
  /** Set on IP headers. */
  readonly endpoints?: Endpoints;
  /** The header followed by `payload`. */
  encode(payload: Uint8Array, around: Surroundings): Uint8Array;
};

/** Addresses may be given as text where packets are written down. */
export type AddressLike = Address | string;
export type MacLike = Mac | string;
export type PayloadLike = Uint8Array | string;

export const toAddress = (value: AddressLike) =>
  typeof value === "string" ? Address.parse(value) : value;
export const toMac = (value: MacLike) => (typeof value === "string" ? Mac.parse(value) : value);
export const toBytes = (value: PayloadLike) =>
  typeof value === "string" ? new TextEncoder().encode(value) : value;

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
