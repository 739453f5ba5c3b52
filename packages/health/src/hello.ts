// The HTTP side of probes: GET /hello, answered by every agent and every health endpoint. Nothing is kept alive between
// two probes: a connection that is open already would say nothing about the next one.
import { createServer, request, type Server } from "node:http";
import type { Socket } from "node:net";
import type { Address } from "@tsilium/net";
import type { ProbeResult } from "./model.ts";

/** Cilium's. */
export const helloPath = "/hello";
/** The longest answer that is read. */
const longestAnswer = 1024;

export type HelloOptions = {
  readonly port: number;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
};

/** Asks once. What fails is a result, not an error. */
export function hello(
  address: Address,
  { port, timeoutMs, signal }: HelloOptions,
): Promise<ProbeResult> {
  const at = new Date();
  const startedAt = performance.now();
  const late = AbortSignal.timeout(timeoutMs);
  const answered = new Promise<{ latencyMs: number } | { problem: string }>((resolve) => {
    const failed = (error: Error) =>
      resolve({ problem: late.aborted ? `no answer within ${timeoutMs} ms` : error.message });
    request(
      {
        host: address.toString(),
        port,
        path: helloPath,
        agent: false,
        maxHeaderSize: longestAnswer,
        signal: AbortSignal.any([signal, late]),
      },
      (response) => {
        let length = 0;
        response
          .on("error", failed)
          .on("data", ({ length: more }: Buffer) => {
            length += more;
            if (length > longestAnswer) response.destroy(new Error("the answer has no end"));
          })
          .on("end", () =>
            resolve(
              response.statusCode === 200
                ? { latencyMs: performance.now() - startedAt }
                : { problem: `HTTP status ${response.statusCode}` },
            ),
          );
      },
    )
      .on("error", failed)
      .end();
  });
  return answered.then((result) => ({ at, ...result }));
}

/** Answers probes at an agent's own addresses. Says nothing about the agent but that it is there. */
export class HelloServer implements AsyncDisposable {
  readonly #servers: Server[] = [];
  readonly #mostConnections: number;

  /** @param mostConnections at once, of each address that it listens on */
  constructor(mostConnections = 1_024) {
    this.#mostConnections = mostConnections;
  }

  /** Listens on this address too. @throws Error when it cannot be had */
  async listen(address: Address, port: number): Promise<number> {
    const server = createServer(
      { requestTimeout: 5_000, headersTimeout: 5_000, maxHeaderSize: 4_096, keepAlive: false },
      ({ method, url }, response) => {
        const status = url !== helloPath ? 404 : method === "GET" || method === "HEAD" ? 200 : 405;
        response
          .writeHead(status, { "content-type": "text/plain", connection: "close" })
          .end(status === 200 ? "OK\n" : "");
      },
    );
    boundByAge(server, this.#mostConnections);
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen({ host: address.toString(), port, ipv6Only: true }, () => {
        server.off("error", reject);
        resolve();
      });
    });
    this.#servers.push(server);
    const bound = server.address();
    return typeof bound === "object" && bound !== null ? bound.port : port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      this.#servers.splice(0).map(
        (server) =>
          new Promise<void>((resolve) => {
            server.close(() => resolve());
            server.closeAllConnections();
          }),
      ),
    );
  }
}

/**
 * One more than the most pushes out the oldest: a probe needs its connection for a moment, so that nobody can keep probes
 * away by staying, as they could if newcomers were turned away (`maxConnections`).
 */
function boundByAge(server: Server, mostConnections: number): void {
  const open = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    open.add(socket);
    socket.once("close", () => open.delete(socket));
    const [oldest] = open;
    if (open.size > mostConnections) oldest?.destroy();
  });
}
