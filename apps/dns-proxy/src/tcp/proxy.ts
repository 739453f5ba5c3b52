// Queries over TCP: listeners, and the connections that they accepted.
import { createServer, type Server, type Socket } from "node:net";
import { Address } from "@tsilium/net";
import { EarlyMoves } from "@tsilium/proxy/early-moves.ts";
import type { MovedConnection } from "@tsilium/proxy/model.ts";
import { isSyscallError } from "@tsilium/syscall";
import { newTaker, type Taker } from "../turns.ts";
import { Connection, type ConnectionOptions, connectionKey } from "./connection.ts";
import { openListener } from "./sockets.ts";

const IPPROTO_TCP = 6;

export class TcpProxy implements Disposable {
  readonly #options: ConnectionOptions;
  readonly #servers = new Map<string, Server>();
  readonly #connections = new Map<string, Connection>();
  readonly #earlyMoves = new EarlyMoves();
  readonly #clients = new Map<string, { readonly taker: Taker; connections: number }>();

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  /** Takes connections for a listener's port; again is fine. @throws SyscallError EADDRINUSE, ... */
  open(port: number): void {
    for (const family of [4, 6] as const) {
      const key = `${family} ${port}`;
      if (this.#servers.has(key)) continue;
      try {
        const fd = openListener(family, port);
        const server = createServer({ allowHalfOpen: true }, (socket) =>
          this.#accept(socket, port),
        );
        // Of single connections (too many open files): it goes on listening.
        server.on("error", () => this.#options.counters.refusedConnections++);
        server.listen({ fd });
        this.#servers.set(key, server);
      } catch (error) {
        if (family === 6 && isSyscallError(error, "EAFNOSUPPORT", "EADDRNOTAVAIL")) continue;
        throw error;
      }
    }
  }

  /** Connections that it accepted live on, under the rules that they are moved to. */
  close(port: number): void {
    for (const family of [4, 6]) {
      this.#servers.get(`${family} ${port}`)?.close();
      this.#servers.delete(`${family} ${port}`);
    }
  }

  get connections(): number {
    return this.#connections.size;
  }

  /** Holds connections to other rules, from their next query on. */
  move(connections: readonly MovedConnection[]): void {
    const nowMs = performance.now();
    for (const { protocol, client, server, from, to } of connections) {
      if (protocol !== IPPROTO_TCP) continue;
      const key = connectionKey(client, server);
      const connection = this.#connections.get(key);
      if (connection) connection.rulesPort = to;
      else if (to === from) this.#earlyMoves.forget(key);
      else this.#earlyMoves.note(key, nowMs);
    }
  }

  [Symbol.dispose](): void {
    for (const server of this.#servers.values()) server.close();
    for (const connection of this.#connections.values()) connection.destroy();
  }

  #accept(socket: Socket, listenerPort: number): void {
    const client = endOf(socket.remoteAddress, socket.remotePort);
    const server = endOf(socket.localAddress, socket.localPort);
    // To a listener itself: nobody asked a server, and on it would go round for ever.
    if (!client || !server || server.address.isLoopback || !this.#mayConnect(client.address)) {
      this.#options.counters.refusedConnections++;
      socket.on("error", () => {});
      socket.destroy();
      return;
    }
    if (this.#earlyMoves.take(connectionKey(client, server), performance.now())) {
      this.#options.counters.refusedConnections++;
      socket.on("error", () => {}).resetAndDestroy();
      return;
    }
    const of = Buffer.from(client.address.bytes).toString("latin1");
    const held = this.#clients.get(of) ?? { taker: newTaker(of), connections: 0 };
    this.#clients.set(of, held);
    held.connections++;
    const ends = { client, server, listenerPort, taker: held.taker };
    const connection = new Connection(socket, ends, this.#options);
    const { key } = connection;
    this.#connections.set(key, connection);
    socket.once("close", () => {
      if (this.#connections.get(key) === connection) this.#connections.delete(key);
      if (--held.connections === 0) this.#clients.delete(of);
    });
  }

  #mayConnect(client: Address): boolean {
    const { maxConnections, maxConnectionsPerClient } = this.#options.limits;
    const own = this.#clients.get(Buffer.from(client.bytes).toString("latin1"))?.connections ?? 0;
    return this.#connections.size < maxConnections && own < maxConnectionsPerClient;
  }
}

function endOf(
  address: string | undefined,
  port: number | undefined,
): { readonly address: Address; readonly port: number } | undefined {
  const parsed = address === undefined ? undefined : Address.tryParse(address);
  return parsed && port !== undefined ? { address: parsed, port } : undefined;
}
