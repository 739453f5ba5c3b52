// Datagrams to clients, from the address and port of the server that they asked. From raw sockets: a UDP socket bound to
// a server's address would take that server's own datagrams away if it runs on this node, or not be possible at all.
import {
  AF_INET,
  AF_INET6,
  bind,
  close,
  DatagramSender,
  IP_MTU_DISCOVER,
  IP_PKTINFO,
  IP_PMTUDISC_OMIT,
  IP_TRANSPARENT,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPPROTO_UDP,
  IPV6_CHECKSUM,
  IPV6_MTU_DISCOVER,
  IPV6_PKTINFO,
  IPV6_TRANSPARENT,
  isSyscallError,
  setsockopt,
  SO_RCVBUF,
  SOCK_NONBLOCK,
  SOCK_RAW,
  sockaddrIn,
  sockaddrIn6,
  socket,
  SOL_SOCKET,
} from "@tsilium/syscall";
import type { Counters } from "../counters.ts";
import type { Family } from "./listening.ts";

const udpHeaderSize = 8;
const maxPayload = 65_535 - 20 - udpHeaderSize;
// Bound to addresses that nobody has (RFC 7600, RFC 6666): raw sockets get a copy of every datagram to theirs.
const unused4 = sockaddrIn(new Uint8Array([192, 0, 0, 8]), 0);
const unused6 = sockaddrIn6(
  Uint8Array.from({ length: 16 }, (_, index) => (index === 0 ? 1 : 0)),
  0,
);

type Side = { readonly fd: number; readonly sender: DatagramSender };

/** A sockaddr_in or sockaddr_in6, at the beginning of a buffer. */
type Sockaddr = Uint8Array;

export class Replies implements Disposable {
  readonly #four: Side;
  /** Undefined on machines without IPv6. */
  readonly #six: Side | undefined;
  readonly #counters: Counters;

  private constructor(four: Side, six: Side | undefined, counters: Counters) {
    this.#four = four;
    this.#six = six;
    this.#counters = counters;
  }

  /** @throws SyscallError EPERM without CAP_NET_RAW */
  static open(counters: Counters): Replies {
    const four = { fd: open4(), sender: newSender(32) };
    const fd6 = open6();
    const six = fd6 === undefined ? undefined : { fd: fd6, sender: newSender(40) };
    return new Replies(four, six, counters);
  }

  /** Sends at the next `flush`, or before. `data` is copied. */
  add(family: Family, server: Sockaddr, client: Sockaddr, data: Uint8Array): void {
    const side = family === 4 ? this.#four : this.#six;
    if (!side || data.length > maxPayload) {
      this.#counters.lostReplies++;
      return;
    }
    const length = udpHeaderSize + data.length;
    if (!side.sender.hasRoom(length)) this.#flush(side);
    if (family === 4) write4(side.sender, server, client, data);
    else write6(side.sender, server, client, data);
  }

  flush(): void {
    this.#flush(this.#four);
    if (this.#six) this.#flush(this.#six);
  }

  [Symbol.dispose](): void {
    close(this.#four.fd);
    if (this.#six) close(this.#six.fd);
  }

  #flush({ fd, sender }: Side): void {
    if (sender.pending > 0) this.#counters.lostReplies += sender.flush(fd);
  }
}

function newSender(controlSize: number): DatagramSender {
  return new DatagramSender({ count: 64, controlSize, dataSize: 256 * 1024 });
}

function open4(): number {
  const fd = socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK, IPPROTO_UDP);
  setsockopt(fd, IPPROTO_IP, IP_TRANSPARENT, 1);
  setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_OMIT);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, 0);
  bind(fd, unused4);
  return fd;
}

function open6(): number | undefined {
  let fd: number;
  try {
    fd = socket(AF_INET6, SOCK_RAW | SOCK_NONBLOCK, IPPROTO_UDP);
  } catch (error) {
    if (isSyscallError(error, "EAFNOSUPPORT")) return undefined;
    throw error;
  }
  setsockopt(fd, IPPROTO_IPV6, IPV6_TRANSPARENT, 1);
  setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IP_PMTUDISC_OMIT);
  // The kernel puts the checksum there.
  setsockopt(fd, IPPROTO_IPV6, IPV6_CHECKSUM, 6);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, 0);
  try {
    bind(fd, unused6);
  } catch (error) {
    close(fd);
    if (isSyscallError(error, "EADDRNOTAVAIL")) return undefined;
    throw error;
  }
  return fd;
}

function write4(
  sender: DatagramSender,
  server: Sockaddr,
  client: Sockaddr,
  data: Uint8Array,
): void {
  const { bytes, view } = sender;
  const length = udpHeaderSize + data.length;
  const at = sender.add(length, 16);
  bytes.set(client.subarray(0, 16), at.name);
  // Raw sockets have no ports.
  view.setUint16(at.name + 2, 0);
  // struct cmsghdr, struct in_pktinfo { ifindex, spec_dst, addr }.
  view.setBigUint64(at.control, 28n, true);
  view.setInt32(at.control + 8, IPPROTO_IP, true);
  view.setInt32(at.control + 12, IP_PKTINFO, true);
  view.setUint32(at.control + 16, 0);
  bytes.set(server.subarray(4, 8), at.control + 20);
  view.setUint32(at.control + 24, 0);
  writeUdp(sender, at.data, server, client, data);
  view.setUint16(at.data + 6, checksum4(bytes, at.data, length, [server, client]));
}

function write6(
  sender: DatagramSender,
  server: Sockaddr,
  client: Sockaddr,
  data: Uint8Array,
): void {
  const { bytes, view } = sender;
  const at = sender.add(udpHeaderSize + data.length, 28);
  bytes.set(client.subarray(0, 28), at.name);
  view.setUint16(at.name + 2, 0);
  // struct cmsghdr, struct in6_pktinfo { addr, ifindex }.
  view.setBigUint64(at.control, 36n, true);
  view.setInt32(at.control + 8, IPPROTO_IPV6, true);
  view.setInt32(at.control + 12, IPV6_PKTINFO, true);
  bytes.set(server.subarray(8, 24), at.control + 16);
  view.setUint32(at.control + 32, 0);
  writeUdp(sender, at.data, server, client, data);
}

/** Header without checksum, and data. */
function writeUdp(
  { bytes, view }: DatagramSender,
  at: number,
  server: Sockaddr,
  client: Sockaddr,
  data: Uint8Array,
): void {
  bytes[at] = server[2] as number;
  bytes[at + 1] = server[3] as number;
  bytes[at + 2] = client[2] as number;
  bytes[at + 3] = client[3] as number;
  view.setUint16(at + 4, udpHeaderSize + data.length);
  view.setUint16(at + 6, 0);
  bytes.set(data, at + udpHeaderSize);
}

/** Of UDP over IPv4 (RFC 768); the checksum field is 0. */
function checksum4(bytes: Buffer, at: number, length: number, ends: readonly Sockaddr[]): number {
  let sum = IPPROTO_UDP + length;
  for (const end of ends)
    for (let index = 4; index < 8; index += 2)
      sum += ((end[index] as number) << 8) | (end[index + 1] as number);
  const even = length & ~1;
  for (let index = at; index < at + even; index += 2)
    sum += ((bytes[index] as number) << 8) | (bytes[index + 1] as number);
  if (even !== length) sum += (bytes[at + even] as number) << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum === 0xffff ? 0xffff : ~sum & 0xffff;
}
