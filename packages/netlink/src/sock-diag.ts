// The sockets of one network namespace: which there are, and the end of one.
import { NETLINK_SOCK_DIAG, withNetns } from "@tsilium/syscall";
import { Connection } from "./connection.ts";
import type { OpenOptions } from "./rtnl.ts";
import {
  decodeSocket,
  encodeSocketFilter,
  encodeSocketId,
  type InetSocket,
  SOCK_DESTROY,
  SOCK_DIAG_BY_FAMILY,
  type SocketFilter,
  type SocketId,
} from "./sock-diag-codec.ts";

/** A synchronous sock_diag client. Needs CAP_NET_ADMIN over the namespace. */
export class SockDiag implements Disposable {
  readonly #connection: Connection;

  private constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Opens a socket in the namespace, where it stays for life. @throws SyscallError */
  static open(options: OpenOptions = {}): SockDiag {
    const { netns } = options;
    const connect = () => new Connection(NETLINK_SOCK_DIAG);
    return new SockDiag(netns === undefined ? connect() : withNetns(netns, connect));
  }

  /**
   * Sockets of a family and a protocol, in some states. The kernel walks its whole table of the protocol, which pods
   * share with the node: up to a few milliseconds.
   * @throws NetlinkError ENOENT where the kernel has no INET_UDP_DIAG or INET_TCP_DIAG
   */
  list(filter: SocketFilter): InetSocket[] {
    const { family, protocol } = filter;
    return this.#connection
      .dump({
        type: SOCK_DIAG_BY_FAMILY,
        payload: encodeSocketFilter(filter),
        about: `list IPv${family} sockets of protocol ${protocol}`,
      })
      .map(({ payload }) => decodeSocket(payload, protocol))
      .filter((socket) => socket !== undefined);
  }

  /**
   * Ends a socket: whoever has it open gets ECONNABORTED. The cookie must be the socket's, so no other that came to the
   * same addresses is met. @returns false when it was gone already
   * @throws NetlinkError EOPNOTSUPP where the kernel has no INET_DIAG_DESTROY (Linux 4.5)
   */
  destroy(id: SocketId): boolean {
    return this.#connection.change({
      type: SOCK_DESTROY,
      payload: encodeSocketId(id),
      about: `destroy the socket ${id.source}:${id.sourcePort} -> ${id.destination}:${id.destinationPort}`,
      // ESTALE: another one has its addresses by now.
      already: ["ENOENT", "ESTALE"],
    });
  }

  [Symbol.dispose](): void {
    this.#connection[Symbol.dispose]();
  }
}
