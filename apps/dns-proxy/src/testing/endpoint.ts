// A UDP socket in a namespace, for what real clients and servers do not do.
import {
  AF_INET,
  AF_INET6,
  bind,
  close,
  connect,
  isSyscallError,
  parseSockaddr,
  recvfrom,
  sendto,
  setsockopt,
  SO_RCVBUF,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  sockaddrIn,
  sockaddrIn6,
  socket,
  SOL_SOCKET,
  watchReadable,
} from "@tsilium/syscall";
import { Socket } from "node:net";
import { Address } from "@tsilium/net";
import type { Netns } from "@tsilium/testkit";

export type Came = { readonly bytes: Buffer; readonly from: string; readonly sockaddr: Uint8Array };

/** A TCP connection from one address to another, begun. Node itself would make the socket later, in its own namespace. */
export function connectTcp(netns: Netns, from: string, to: string, port = 53): Socket {
  const own = Address.parse(from);
  const sockaddr = own.family === 4 ? sockaddrIn : sockaddrIn6;
  const fd = netns.run(() =>
    socket(own.family === 4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK),
  );
  bind(fd, sockaddr(own.bytes, 0));
  try {
    connect(fd, sockaddr(Address.parse(to).bytes, port));
  } catch (error) {
    if (!isSyscallError(error, "EINPROGRESS")) throw error;
  }
  return new Socket({ fd, readable: true, writable: true });
}

export class Endpoint implements Disposable {
  readonly #fd: number;
  readonly #watch: Disposable;
  readonly came: Came[] = [];
  /** Called instead of keeping what comes. */
  onMessage: ((came: Came) => void) | undefined;

  constructor(netns: Netns, address: string, port = 0) {
    const parsed = Address.parse(address);
    const sockaddr = parsed.family === 4 ? sockaddrIn : sockaddrIn6;
    this.#fd = netns.run(() =>
      socket(parsed.family === 4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK),
    );
    bind(this.#fd, sockaddr(parsed.bytes, port));
    setsockopt(this.#fd, SOL_SOCKET, SO_RCVBUF, 1 << 20);
    this.#watch = watchReadable(this.#fd, () => this.#read());
  }

  send(bytes: Uint8Array, to: Uint8Array | { address: string; port: number }): void {
    if (to instanceof Uint8Array) {
      sendto(this.#fd, bytes, 0, to);
      return;
    }
    const address = Address.parse(to.address);
    const sockaddr = address.family === 4 ? sockaddrIn : sockaddrIn6;
    sendto(this.#fd, bytes, 0, sockaddr(address.bytes, to.port));
  }

  [Symbol.dispose](): void {
    this.#watch[Symbol.dispose]();
    close(this.#fd);
  }

  #read(): void {
    const buffer = Buffer.alloc(65_536);
    for (;;) {
      const received = recvfrom(this.#fd, buffer);
      if (!received) return;
      const from = parseSockaddr(Uint8Array.from(received.address));
      if (from.family !== "inet" && from.family !== "inet6") continue;
      const came = {
        bytes: Buffer.from(buffer.subarray(0, received.length)),
        from: `${Address.fromBytes(from.address).toString()} ${from.port}`,
        sockaddr: Uint8Array.from(received.address),
      };
      if (this.onMessage) this.onMessage(came);
      else this.came.push(came);
    }
  }
}
