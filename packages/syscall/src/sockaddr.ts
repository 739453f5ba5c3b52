// Socket addresses as the kernel lays them out (struct sockaddr_*), built and read without copying rules
// around: ports in host meaning (80 is 80), addresses as bytes in network order.
import { AF_INET, AF_INET6, AF_NETLINK, AF_UNIX } from "./constants.ts";

/** struct sockaddr_in, 16 bytes. `address`: 4 bytes in network order. */
export function sockaddrIn(address: Uint8Array, port: number): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, AF_INET, true);
  view.setUint16(2, port);
  bytes.set(address, 4);
  return bytes;
}

/** struct sockaddr_in6, 28 bytes. `address`: 16 bytes; `scope`: interface index of link-local addresses. */
export function sockaddrIn6(address: Uint8Array, port: number, scope = 0): Uint8Array {
  const bytes = new Uint8Array(28);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, AF_INET6, true);
  view.setUint16(2, port);
  bytes.set(address, 8);
  view.setUint32(24, scope, true);
  return bytes;
}

/** struct sockaddr_un. A path that starts with "@" is an abstract name (unix(7)). @throws RangeError over 107 bytes. */
export function sockaddrUn(path: string): Uint8Array {
  const name = new TextEncoder().encode(path);
  if (name.length > 107)
    throw new RangeError(`socket path of ${name.length} bytes, at most 107: ${path}`);
  const abstract = path.startsWith("@");
  const bytes = new Uint8Array(2 + name.length + (abstract ? 0 : 1));
  new DataView(bytes.buffer).setUint16(0, AF_UNIX, true);
  bytes.set(name, 2);
  if (abstract) bytes[2] = 0;
  return bytes;
}

/** struct sockaddr_nl, 12 bytes. `port` 0 lets the kernel choose on bind, and is the kernel on send. */
export function sockaddrNetlink(port = 0, groups = 0): Uint8Array {
  const bytes = new Uint8Array(12);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, AF_NETLINK, true);
  view.setUint32(4, port, true);
  view.setUint32(8, groups, true);
  return bytes;
}

export type SocketAddress =
  | { readonly family: "inet" | "inet6"; readonly address: Uint8Array; readonly port: number }
  | { readonly family: "unix"; readonly path: string }
  | { readonly family: "netlink"; readonly port: number; readonly groups: number }
  | { readonly family: "other"; readonly number: number };

/** Reads what getsockname(2), recvfrom(2) and the like answered. Bytes too short for their family are "other". */
export function parseSockaddr(bytes: Uint8Array): SocketAddress {
  if (bytes.length < 2) return { family: "other", number: 0 };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const number = view.getUint16(0, true);
  if (number === AF_INET && bytes.length >= 8)
    return { family: "inet", port: view.getUint16(2), address: bytes.slice(4, 8) };
  if (number === AF_INET6 && bytes.length >= 24)
    return { family: "inet6", port: view.getUint16(2), address: bytes.slice(8, 24) };
  if (number === AF_NETLINK && bytes.length >= 12)
    return { family: "netlink", port: view.getUint32(4, true), groups: view.getUint32(8, true) };
  if (number === AF_UNIX) return { family: "unix", path: unixPath(bytes.subarray(2)) };
  return { family: "other", number };
}

function unixPath(name: Uint8Array): string {
  if (name.length === 0) return "";
  if (name[0] === 0) return `@${new TextDecoder().decode(name.subarray(1))}`;
  const end = name.indexOf(0);
  return new TextDecoder().decode(end < 0 ? name : name.subarray(0, end));
}
