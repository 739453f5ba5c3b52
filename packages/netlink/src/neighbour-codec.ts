// Neighbours (struct ndmsg and NDA_* attributes; linux/neighbour.h), both directions. Pure.
import type { Address, Family, Mac } from "@tsilium/net";
import { AF_INET, AF_INET6 } from "@tsilium/syscall";
import { address, AttributeWriter, mac, readAttributes } from "./attributes.ts";

const NDA_DST = 1;
const NDA_LLADDR = 2;
const NTF_PROXY = 0x08;
const NTF_EXT_LEARNED = 0x10;
const NTF_ROUTER = 0x80;

const stateNumbers = {
  none: 0,
  incomplete: 0x01,
  reachable: 0x02,
  stale: 0x04,
  delay: 0x08,
  probe: 0x10,
  failed: 0x20,
  noarp: 0x40,
  permanent: 0x80,
} as const;

/** How far resolution has come (NUD_*); "permanent" never expires. */
export type NeighbourState = keyof typeof stateNumbers;
const stateNames: ReadonlyMap<number, NeighbourState> = new Map(
  Object.entries(stateNumbers).map(([name, number]) => [number, name as NeighbourState]),
);

export type Neighbour = {
  /** Interface index. */
  readonly device: number;
  readonly address: Address;
  /** Absent while resolution is under way or has failed, and for proxied addresses. */
  readonly mac?: Mac;
  readonly state: NeighbourState;
  /** We answer for this address on behalf of somebody else. */
  readonly proxy: boolean;
  readonly router: boolean;
  /** Managed from outside the kernel, which must not garbage-collect it. */
  readonly externallyLearned: boolean;
};

/** Payload of RTM_NEWNEIGH and RTM_DELNEIGH. */
export function encodeNeighbour(row: Neighbour): Uint8Array {
  const header = neighbourHeader({ family: row.address.family, device: row.device });
  const view = new DataView(header.buffer);
  view.setUint16(8, stateNumbers[row.state], true);
  view.setUint8(
    10,
    (row.proxy ? NTF_PROXY : 0) |
      (row.router ? NTF_ROUTER : 0) |
      (row.externallyLearned ? NTF_EXT_LEARNED : 0),
  );
  return new AttributeWriter(header)
    .address(NDA_DST, row.address)
    .raw(NDA_LLADDR, row.mac?.bytes)
    .bytes();
}

/** struct ndmsg alone: the filter of a dump. */
export function neighbourHeader(filter: {
  readonly family?: Family;
  readonly device?: number;
}): Uint8Array {
  const bytes = new Uint8Array(12);
  if (filter.family !== undefined) bytes[0] = filter.family === 4 ? AF_INET : AF_INET6;
  new DataView(bytes.buffer).setInt32(4, filter.device ?? 0, true);
  return bytes;
}

/** Reads RTM_NEWNEIGH and RTM_DELNEIGH; undefined for entries without an IP address (bridge forwarding). */
export function decodeNeighbour(payload: Uint8Array): Neighbour | undefined {
  if (payload.length < 12) return undefined;
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const family = view.getUint8(0);
  const attributes = readAttributes(payload.subarray(12));
  const destination = address(attributes.get(NDA_DST));
  if (!destination || (family !== AF_INET && family !== AF_INET6)) return undefined;
  const hardware = mac(attributes.get(NDA_LLADDR));
  const flags = view.getUint8(10);
  return {
    device: view.getInt32(4, true),
    address: destination,
    ...(hardware ? { mac: hardware } : {}),
    state: stateNames.get(view.getUint16(8, true)) ?? "none",
    proxy: (flags & NTF_PROXY) !== 0,
    router: (flags & NTF_ROUTER) !== 0,
    externallyLearned: (flags & NTF_EXT_LEARNED) !== 0,
  };
}
