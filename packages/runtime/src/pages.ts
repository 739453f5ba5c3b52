// A small HTTP server of a few pages: /healthz for the kubelet, /metrics for Prometheus.
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";

// Not by import, which costs 15 MB: see kube's transport.ts.
const { createServer } = process.getBuiltinModule("node:http");

export type Page = () => Promise<{
  readonly status: number;
  /** Media type. */
  readonly type: string;
  readonly body: string;
}>;

export class PageServer implements AsyncDisposable {
  readonly #server: Server;

  /** @param pages by path; every other path is 404. */
  constructor(pages: Readonly<Record<string, Page>>) {
    this.#server = createServer((request, response) => {
      const path = (request.url ?? "").split("?")[0] as string;
      const page = Object.hasOwn(pages, path) ? pages[path] : undefined;
      if (!page || request.method !== "GET") {
        response.writeHead(page ? 405 : 404).end();
        return;
      }
      page().then(
        ({ status, type, body }) => response.writeHead(status, { "content-type": type }).end(body),
        (error: Error) =>
          response.writeHead(500, { "content-type": "text/plain" }).end(error.message),
      );
    });
  }

  /**
   * Listens. Answers the port.
   * @param address "host:port", "[::1]:port" or ":port" for every interface; port 0: any free one.
   * @throws Error when the address is malformed, NodeJS.ErrnoException when it cannot be had.
   */
  async listen(address: string): Promise<number> {
    const { host, port } = parseListenAddress(address);
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen({ port, ...(host === undefined ? {} : { host }) }, () => {
        this.#server.off("error", reject);
        resolve();
      });
    });
    // A scraper that keeps its connection must not keep the process.
    this.#server.unref();
    return (this.#server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#server.listening) return;
    await new Promise((resolve) => {
      this.#server.close(resolve);
      this.#server.closeAllConnections();
    });
  }
}

/** @throws Error on anything that is no address with a port. */
export function parseListenAddress(text: string): { host: string | undefined; port: number } {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]*)):([0-9]{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (!match || port > 65535) throw new Error(`"${text}" is no listen address: wanted host:port`);
  return { host: match[1] ?? (match[2] || undefined), port };
}
