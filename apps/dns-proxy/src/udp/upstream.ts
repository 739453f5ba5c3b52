// Sockets towards servers: each from one client's address to one server, connected, so that the kernel takes answers from
// nobody else. Several queries share one, told apart by ids of our own.
//
// Whoever forges answers must guess the id and the port: a socket is left for a new one, with another port, after some
// queries, after some time, and when answers come that nobody asked for.
import {
  bind,
  close,
  connect,
  IP_BIND_ADDRESS_NO_PORT,
  IPPROTO_IP,
  setsockopt,
  SOCK_DGRAM,
  sockaddrIn,
  sockaddrIn6,
} from "@tsilium/syscall";
import { type Family, transparentSocket } from "./listening.ts";
import type { PendingQuery } from "./pending.ts";

const maxQueries = 512;
const maxAgeMs = 5_000;
const maxIdleMs = 3_000;
const maxForgeries = 8;

export type UpstreamOptions = {
  readonly family: Family;
  /** Sockaddr bytes: of the client, and of the server with its port. */
  readonly client: Uint8Array;
  readonly server: Uint8Array;
  readonly nowMs: number;
};

export class Upstream {
  readonly fd: number;
  readonly pending = new Map<number, PendingQuery>();
  readonly #openedMs: number;
  #lastUseMs: number;
  #queries = 0;
  #forgeries = 0;

  /** Opens it. @throws SyscallError EADDRINUSE, ENETUNREACH, EMFILE, ... */
  constructor({ family, client, server, nowMs }: UpstreamOptions) {
    this.fd = transparentSocket(family, SOCK_DGRAM);
    this.#openedMs = nowMs;
    this.#lastUseMs = nowMs;
    try {
      // The hook of the proxy's cgroup chooses the port.
      setsockopt(this.fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
      bind(this.fd, withoutPort(family, client));
      connect(this.fd, server);
    } catch (error) {
      close(this.fd);
      throw error;
    }
  }

  /** Whether further queries are to go by another one. */
  isSpent(nowMs: number): boolean {
    return (
      this.#queries >= maxQueries ||
      this.#forgeries >= maxForgeries ||
      nowMs - this.#openedMs > maxAgeMs
    );
  }

  /** Whether it can be closed: nothing waits, and nothing is likely to come. */
  isIdle(nowMs: number): boolean {
    if (this.pending.size > 0) return false;
    return this.isSpent(nowMs) || nowMs - this.#lastUseMs > maxIdleMs;
  }

  use(id: number, query: PendingQuery, nowMs: number): void {
    this.pending.set(id, query);
    this.#queries++;
    this.#lastUseMs = nowMs;
  }

  /** An answer came that is none to what was asked. */
  suspect(): void {
    this.#forgeries++;
  }
}

function withoutPort(family: Family, client: Uint8Array): Uint8Array {
  if (family === 4) return sockaddrIn(client.subarray(4, 8), 0);
  const scope = new DataView(client.buffer, client.byteOffset).getUint32(24, true);
  return sockaddrIn6(client.subarray(8, 24), 0, scope);
}
