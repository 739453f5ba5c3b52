// Sockets of the test's own process, made in whatever namespace is asked for: every call is the kernel's, and answers at once or
// within a second.
import { Address } from "@tsilium/net";
import {
  accept,
  AF_INET,
  AF_INET6,
  bind,
  close,
  connect,
  getpeername,
  getsockname,
  IPPROTO_IPV6,
  IPV6_V6ONLY,
  isSyscallError,
  listen,
  MSG_DONTWAIT,
  MSG_PEEK,
  parseSockaddr,
  recvfrom,
  sendto,
  setsockopt,
  SO_RCVTIMEO,
  SO_REUSEADDR,
  SO_SNDTIMEO,
  SOCK_DGRAM,
  SOCK_STREAM,
  sockaddrIn,
  sockaddrIn6,
  socket,
  SOL_SOCKET,
} from "@tsilium/syscall";
import type { Netns } from "@tsilium/testkit";

export type SocketKind = {
  /** Of the socket; a family 6 one speaks IPv4 too, with mapped addresses. */
  readonly family: 4 | 6;
  readonly type: "tcp" | "udp";
  readonly v6Only?: boolean;
};

/** "10.0.0.1:80" or "[fd00::1]:80"; mapped addresses as "[::ffff:10.0.0.1]:80". */
export type SocketEnd = string;

/** struct timeval: a second, and no microseconds. */
const aSecond = new Uint8Array(new BigInt64Array([1n, 0n]).buffer);

export class TestSocket implements Disposable {
  readonly #fd: number;
  readonly #kind: SocketKind;

  private constructor(fd: number, kind: SocketKind) {
    this.#fd = fd;
    this.#kind = kind;
  }

  static open(netns: Netns, kind: SocketKind): TestSocket {
    const { family, type, v6Only = false } = kind;
    const domain = family === 4 ? AF_INET : AF_INET6;
    const fd = netns.run(() => socket(domain, type === "tcp" ? SOCK_STREAM : SOCK_DGRAM));
    for (const option of [SO_RCVTIMEO, SO_SNDTIMEO]) setsockopt(fd, SOL_SOCKET, option, aSecond);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (family === 6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, Number(v6Only));
    return new TestSocket(fd, kind);
  }

  /** Bound there and, TCP, listening. */
  static serve(netns: Netns, kind: SocketKind, end: SocketEnd): TestSocket {
    const made = TestSocket.open(netns, kind);
    made.bind(end);
    if (kind.type === "tcp") listen(made.#fd);
    return made;
  }

  bind(end: SocketEnd): void {
    bind(this.#fd, this.#sockaddr(end));
  }

  connect(end: SocketEnd): void {
    connect(this.#fd, this.#sockaddr(end));
  }

  /** The next connection. @throws Error when none comes within a second */
  accept(): TestSocket {
    const fd = accept(this.#fd);
    if (fd === undefined) throw new Error("nobody connected");
    return new TestSocket(fd, this.#kind);
  }

  /** `to` left out: to the far end. */
  send(text: string, to?: SocketEnd): void {
    const address = to === undefined ? null : this.#sockaddr(to);
    sendto(this.#fd, new TextEncoder().encode(text), 0, address);
  }

  /** What came, and from whom, "" on streams. @throws Error when nothing comes within a second */
  receive(): { readonly text: string; readonly from: SocketEnd } {
    const buffer = new Uint8Array(2048);
    const got = recvfrom(this.#fd, buffer);
    if (!got) throw new Error("nothing came");
    const text = new TextDecoder().decode(buffer.subarray(0, got.length));
    return { text, from: got.address.length > 0 ? endOf(got.address) : "" };
  }

  /** Whether a datagram is waiting. */
  get hasMessage(): boolean {
    return recvfrom(this.#fd, new Uint8Array(1), MSG_PEEK | MSG_DONTWAIT) !== undefined;
  }

  get peer(): SocketEnd {
    return endOf(getpeername(this.#fd));
  }

  get own(): SocketEnd {
    return endOf(getsockname(this.#fd));
  }

  [Symbol.dispose](): void {
    close(this.#fd);
  }

  #sockaddr(end: SocketEnd): Uint8Array {
    const [, address = "", port] = /^\[?([^\]]+?)\]?:(\d+)$/.exec(end) ?? [];
    const { bytes } = Address.parse(address);
    return this.#kind.family === 4
      ? sockaddrIn(bytes, Number(port))
      : sockaddrIn6(bytes, Number(port));
  }
}

/** The name of the error that an action ends with, "" when it does not. */
export function errorOf(action: () => unknown): string {
  try {
    action();
    return "";
  } catch (error) {
    if (isSyscallError(error)) return error.code;
    throw error;
  }
}

function endOf(sockaddr: Uint8Array): SocketEnd {
  const parsed = parseSockaddr(sockaddr);
  if (parsed.family !== "inet" && parsed.family !== "inet6") throw new Error("no IP address");
  return endText(Address.fromBytes(parsed.address), parsed.port);
}

export function endText(address: Address, port: number): SocketEnd {
  return address.family === 4 ? `${address}:${port}` : `[${address}]:${port}`;
}
