// Interface addresses (struct ifaddrmsg and IFA_* attributes; linux/if_addr.h), both directions. Pure.
import type { Address, Family } from "@tsilium/net";
import { AF_INET, AF_INET6 } from "@tsilium/syscall";
import { address, AttributeWriter, readAttributes, text, u32 } from "./attributes.ts";
import { scopeName, scopeNumber, type Scope } from "./scope.ts";

const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_LABEL = 3;
const IFA_BROADCAST = 4;
const IFA_FLAGS = 8;

const IFA_F_NODAD = 0x02;
const IFA_F_DADFAILED = 0x08;
const IFA_F_DEPRECATED = 0x20;
const IFA_F_TENTATIVE = 0x40;
const IFA_F_PERMANENT = 0x80;
const IFA_F_NOPREFIXROUTE = 0x200;

export type InterfaceAddress = {
  /** Interface index. */
  readonly device: number;
  readonly address: Address;
  /** Prefix length of the network that the address is on. */
  readonly length: number;
  /** The other end of a point-to-point link; the prefix is then the peer's. */
  readonly peer?: Address;
  readonly broadcast?: Address;
  readonly scope: Scope;
  readonly label?: string;
  /** Skip duplicate address detection (IPv6): usable at once. */
  readonly noDad: boolean;
  /** Install no route to the prefix. */
  readonly noPrefixRoute: boolean;
  /** Duplicate address detection still under way: not usable yet. Reported only. */
  readonly tentative: boolean;
  readonly dadFailed: boolean;
  readonly deprecated: boolean;
  readonly permanent: boolean;
};

const addressFamily = (family: Family | undefined) =>
  family === undefined ? 0 : family === 4 ? AF_INET : AF_INET6;

/** Payload of RTM_NEWADDR and RTM_DELADDR. */
export function encodeAddress(row: InterfaceAddress): Uint8Array {
  const flags =
    (row.noDad ? IFA_F_NODAD : 0) |
    (row.noPrefixRoute ? IFA_F_NOPREFIXROUTE : 0) |
    (row.tentative ? IFA_F_TENTATIVE : 0) |
    (row.dadFailed ? IFA_F_DADFAILED : 0) |
    (row.deprecated ? IFA_F_DEPRECATED : 0) |
    (row.permanent ? IFA_F_PERMANENT : 0);
  const header = addressHeader({ ...row, family: row.address.family });
  return new AttributeWriter(header)
    .address(IFA_LOCAL, row.address)
    .address(IFA_ADDRESS, row.peer ?? row.address)
    .address(IFA_BROADCAST, row.broadcast)
    .text(IFA_LABEL, row.label)
    .u32(IFA_FLAGS, flags)
    .bytes();
}

type HeaderFacts = {
  readonly family?: Family;
  readonly length?: number;
  readonly scope?: Scope;
  readonly device?: number;
};

/** struct ifaddrmsg alone: the filter of a dump (strict checking). Flags travel in IFA_FLAGS, which holds them all. */
export function addressHeader({ family, length = 0, scope, device = 0 }: HeaderFacts): Uint8Array {
  const bytes = Uint8Array.of(
    addressFamily(family),
    length,
    0,
    scopeNumber(scope ?? "universe"),
    0,
    0,
    0,
    0,
  );
  new DataView(bytes.buffer).setUint32(4, device, true);
  return bytes;
}

/** Reads RTM_NEWADDR and RTM_DELADDR; undefined when no address is in it. */
export function decodeAddress(payload: Uint8Array): InterfaceAddress | undefined {
  if (payload.length < 8) return undefined;
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const attributes = readAttributes(payload.subarray(8));
  // IPv6 omits IFA_LOCAL unless there is a peer; IPv4 always has both.
  const prefixAddress = address(attributes.get(IFA_ADDRESS));
  const own = address(attributes.get(IFA_LOCAL)) ?? prefixAddress;
  if (!own) return undefined;
  const flags = u32(attributes.get(IFA_FLAGS)) ?? view.getUint8(2);
  const label = text(attributes.get(IFA_LABEL));
  const broadcast = address(attributes.get(IFA_BROADCAST));
  return {
    device: view.getUint32(4, true),
    address: own,
    length: view.getUint8(1),
    ...(prefixAddress && !prefixAddress.equals(own) ? { peer: prefixAddress } : {}),
    ...(broadcast ? { broadcast } : {}),
    scope: scopeName(view.getUint8(3)),
    ...(label === undefined ? {} : { label }),
    noDad: (flags & IFA_F_NODAD) !== 0,
    noPrefixRoute: (flags & IFA_F_NOPREFIXROUTE) !== 0,
    tentative: (flags & IFA_F_TENTATIVE) !== 0,
    dadFailed: (flags & IFA_F_DADFAILED) !== 0,
    deprecated: (flags & IFA_F_DEPRECATED) !== 0,
    permanent: (flags & IFA_F_PERMANENT) !== 0,
  };
}
