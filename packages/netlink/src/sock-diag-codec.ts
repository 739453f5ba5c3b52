// Sockets as sock_diag tells of them (struct inet_diag_req_v2, inet_diag_msg; linux/inet_diag.h), both directions. Pure.
import { Address, type Family } from "@tsilium/net";
import { AF_INET, AF_INET6 } from "@tsilium/syscall";

export const SOCK_DIAG_BY_FAMILY = 20;
export const SOCK_DESTROY = 21;

/** enum tcp_state (net/tcp_states.h). A UDP socket that is connected is "established", any other "close". */
const stateNumbers = {
  established: 1,
  "syn-sent": 2,
  "syn-recv": 3,
  "fin-wait-1": 4,
  "fin-wait-2": 5,
  "time-wait": 6,
  close: 7,
  "close-wait": 8,
  "last-ack": 9,
  listen: 10,
  closing: 11,
} as const;

export type SocketState = keyof typeof stateNumbers;
const stateNames: ReadonlyMap<number, SocketState> = new Map(
  Object.entries(stateNumbers).map(([name, number]) => [number, name as SocketState]),
);

/** What the kernel knows a socket by. */
export type SocketId = {
  /** The socket's own: one of family 6 may carry IPv4, its addresses are IPv4-mapped then. */
  readonly family: Family;
  /** 6 TCP, 17 UDP. */
  readonly protocol: number;
  readonly source: Address;
  readonly sourcePort: number;
  readonly destination: Address;
  readonly destinationPort: number;
  /** Interface index that it is bound to, 0: none. */
  readonly device: number;
  /** SO_COOKIE. */
  readonly cookie: bigint;
};

export type InetSocket = SocketId & { readonly state: SocketState; readonly uid: number };

export type SocketFilter = {
  readonly family: Family;
  readonly protocol: number;
  readonly states: readonly SocketState[];
};

/** Bytes of struct inet_diag_sockid, struct inet_diag_req_v2 and struct inet_diag_msg. */
const idSize = 48;
const requestSize = 8 + idSize;
const messageSize = 4 + idSize + 20;

/** A dump's request. */
export function encodeSocketFilter({ family, protocol, states }: SocketFilter): Uint8Array {
  const bits = states.reduce((sum, state) => sum | (1 << stateNumbers[state]), 0);
  return requestHeader({ family, protocol }, bits);
}

/** A request about one socket: SOCK_DESTROY's. */
export function encodeSocketId(id: SocketId): Uint8Array {
  const bytes = requestHeader(id, 0xffff_ffff);
  const view = new DataView(bytes.buffer, 8);
  view.setUint16(0, id.sourcePort);
  view.setUint16(2, id.destinationPort);
  bytes.set(id.source.bytes, 8 + 4);
  bytes.set(id.destination.bytes, 8 + 20);
  view.setUint32(36, id.device, true);
  view.setBigUint64(40, id.cookie, true);
  return bytes;
}

/** Reads an answer to a dump of one protocol (messages do not tell it); undefined for what is no internet socket. */
export function decodeSocket(payload: Uint8Array, protocol: number): InetSocket | undefined {
  if (payload.length < messageSize) return undefined;
  const view = new DataView(payload.buffer, payload.byteOffset + 4, messageSize - 4);
  const family = familyOf(payload[0] as number);
  const state = stateNames.get(payload[1] as number);
  if (family === undefined || state === undefined) return undefined;
  const length = family === 4 ? 4 : 16;
  const addressAt = (offset: number) =>
    Address.fromBytes(payload.subarray(4 + offset, 4 + offset + length));
  return {
    family,
    protocol,
    state,
    sourcePort: view.getUint16(0),
    destinationPort: view.getUint16(2),
    source: addressAt(4),
    destination: addressAt(20),
    device: view.getUint32(36, true),
    cookie: view.getBigUint64(40, true),
    // After the timer's expiry and the lengths of two queues.
    uid: view.getUint32(idSize + 12, true),
  };
}

function requestHeader(
  { family, protocol }: { readonly family: Family; readonly protocol: number },
  states: number,
): Uint8Array {
  const bytes = new Uint8Array(requestSize);
  bytes[0] = family === 4 ? AF_INET : AF_INET6;
  bytes[1] = protocol;
  new DataView(bytes.buffer).setUint32(4, states >>> 0, true);
  return bytes;
}

function familyOf(number: number): Family | undefined {
  return number === AF_INET ? 4 : number === AF_INET6 ? 6 : undefined;
}
