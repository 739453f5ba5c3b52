// Layers around and beside IP: Ethernet, 802.1Q, ARP, VXLAN.
import type { Address } from "../address.ts";
import { Mac } from "../mac.ts";
import { concat, toAddress, toMac, type AddressLike, type Layer, type MacLike } from "./layer.ts";
import { etherType } from "./names.ts";

export type EtherFields = {
  readonly src?: MacLike;
  readonly dst?: MacLike;
  /** EtherType; that of the next layer when absent. */
  readonly type?: number;
};

/** An Ethernet II header, 14 bytes; no padding, no frame check sequence. */
export function etherLayer({ src = Mac.zero, dst = Mac.zero, type }: EtherFields): Layer {
  return {
    encode(payload, { next }) {
      const number = type ?? next?.etherType ?? 0;
      return concat(
        toMac(dst).bytes,
        toMac(src).bytes,
        Uint8Array.of(number >> 8, number),
        payload,
      );
    },
  };
}

export type VlanFields = { readonly id: number; readonly priority?: number };

/** An 802.1Q tag, 4 bytes. */
export function vlanLayer({ id, priority = 0 }: VlanFields): Layer {
  return {
    etherType: etherType.vlan,
    encode(payload, { next }) {
      const type = next?.etherType ?? 0;
      const tag = (priority << 13) | id;
      return concat(Uint8Array.of(tag >> 8, tag, type >> 8, type), payload);
    },
  };
}

export type ArpFields = {
  readonly operation: "request" | "reply";
  readonly senderMac: MacLike;
  readonly sender: AddressLike;
  /** Zero in requests. */
  readonly targetMac?: MacLike;
  readonly target: AddressLike;
};

/** ARP for IPv4 over Ethernet (RFC 826), 28 bytes. */
export function arpLayer(fields: ArpFields): Layer {
  const { operation, senderMac, sender, targetMac = Mac.zero, target } = fields;
  return {
    etherType: etherType.arp,
    encode: (payload) =>
      concat(
        Uint8Array.of(0, 1, 0x08, 0x00, 6, 4, 0, operation === "request" ? 1 : 2),
        toMac(senderMac).bytes,
        ipv4Bytes(toAddress(sender)),
        toMac(targetMac).bytes,
        ipv4Bytes(toAddress(target)),
        payload,
      ),
  };
}

function ipv4Bytes(address: Address): Uint8Array {
  if (address.family !== 4) throw new RangeError(`ARP is about IPv4 addresses, not ${address}`);
  return address.bytes;
}

export type VxlanFields = {
  /** 24 bits. */
  readonly vni: number;
  /** 0x08 (the VNI is valid) unless given. */
  readonly flags?: number;
};

/** A VXLAN header (RFC 7348), 8 bytes. */
export function vxlanLayer({ vni, flags = 0x08 }: VxlanFields): Layer {
  return {
    encode: (payload) =>
      concat(Uint8Array.of(flags, 0, 0, 0, vni >> 16, vni >> 8, vni, 0), payload),
  };
}
