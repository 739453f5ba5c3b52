// A DNS server on sockets that are open already: datagrams, and streams with two bytes of length in front of
// each message (RFC 7766).
import { createSocket, type Socket as DatagramSocket } from "node:dgram";
import { createServer, type Server, type Socket } from "node:net";
import { respond, type Source } from "./resolver.ts";
import type { DnsSockets } from "./sockets.ts";

const limits = {
  connections: 200,
  /** A connection that says nothing for this long is closed. */
  idleMs: 10_000,
} as const;

export class DnsServer implements Disposable {
  readonly #datagrams: DatagramSocket[] = [];
  readonly #streams: Server[] = [];
  readonly #source: Source;
  readonly #failed: (error: unknown) => void;

  /** @param failed told of faults; the server goes on */
  private constructor(source: Source, failed: (error: unknown) => void) {
    this.#source = source;
    this.#failed = failed;
  }

  /** Serves on the sockets, which are its own from now on. Resolves when all of them are served. */
  static async start(
    sockets: DnsSockets,
    source: Source,
    failed: (error: unknown) => void,
  ): Promise<DnsServer> {
    const server = new DnsServer(source, failed);
    await Promise.all([
      ...sockets.udp.map(({ fd, family }) => server.#serveDatagrams(fd, family)),
      ...sockets.tcp.map((fd) => server.#serveStreams(fd)),
    ]);
    return server;
  }

  [Symbol.dispose](): void {
    for (const socket of this.#datagrams) socket.close();
    for (const server of this.#streams) server.close();
  }

  #serveDatagrams(fd: number, family: 4 | 6): Promise<void> {
    const socket = createSocket(family === 4 ? "udp4" : "udp6");
    this.#datagrams.push(socket);
    socket.on("error", this.#failed);
    socket.on("message", (bytes, from) => {
      void this.#answer(bytes, "udp").then((answer) => {
        if (answer) socket.send(answer, from.port, from.address, () => undefined);
      });
    });
    return new Promise((resolve) => socket.bind({ fd }, resolve));
  }

  #serveStreams(fd: number): Promise<void> {
    const server = createServer((socket) => this.#serveConnection(socket));
    this.#streams.push(server);
    server.maxConnections = limits.connections;
    server.on("error", this.#failed);
    return new Promise((resolve) => server.listen({ fd }, resolve));
  }

  #serveConnection(socket: Socket): void {
    let pending = Buffer.alloc(0);
    socket.setTimeout(limits.idleMs, () => socket.destroy());
    socket.on("error", () => socket.destroy());
    socket.on("data", (chunk: Buffer) => {
      pending = Buffer.concat([pending, chunk]);
      while (pending.length >= 2) {
        const end = 2 + pending.readUInt16BE(0);
        if (pending.length < end) return;
        const message = pending.subarray(2, end);
        pending = pending.subarray(end);
        void this.#answer(message, "tcp").then((answer) => {
          if (!answer || socket.destroyed) return;
          const length = Buffer.alloc(2);
          length.writeUInt16BE(answer.length);
          socket.write(Buffer.concat([length, answer]));
        });
      }
    });
  }

  async #answer(bytes: Uint8Array, transport: "udp" | "tcp"): Promise<Uint8Array | undefined> {
    try {
      return await respond(bytes, transport, this.#source);
    } catch (error) {
      this.#failed(error);
      return undefined;
    }
  }
}
