// A small HTTP server of a few pages: /healthz for the kubelet, /metrics for Prometheus.
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { parseListenAddress } from "./listen-address.ts";

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
