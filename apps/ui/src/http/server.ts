// The HTTP server: the page, and the data it asks for.
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { createServer as createTlsServer, type ServerOptions } from "node:https";
import type { AddressInfo } from "node:net";
import type { Logger } from "@tsilium/runtime";
import type { Asset, Assets } from "./assets.ts";
import { type Guard, refusal } from "./guard.ts";
import { securityHeaders } from "./headers.ts";
import { LineWriter } from "./lines.ts";

// Not by import, which costs 15 MB: see kube's transport.ts.
const { createServer } = process.getBuiltinModule("node:http");

/** Streams until it has told everything or `writer.signal` aborts. */
export type StreamRoute = (query: URLSearchParams, writer: LineWriter) => Promise<void>;
/** Answers a JSON value. */
export type JsonRoute = (query: URLSearchParams, signal: AbortSignal) => Promise<unknown>;

/** What is wrong with a request: the page shows it. */
export class RequestError extends Error {
  readonly status: 400 | 404 | 502 | 503;

  constructor(status: RequestError["status"], message: string) {
    super(message);
    this.name = "RequestError";
    this.status = status;
  }
}

export type PageServerOptions = {
  readonly assets: Assets;
  readonly streams: Readonly<Record<string, StreamRoute>>;
  readonly answers: Readonly<Record<string, JsonRoute>>;
  /** Of the server's own certificate, and of whom it lets in. undefined: in clear. */
  readonly tls: ServerOptions | undefined;
  /** Known once the port is. */
  readonly guardOf: (port: number) => Guard;
  readonly log: Logger;
};

const json = "application/json; charset=utf-8";

export class UiServer implements AsyncDisposable {
  readonly #options: PageServerOptions;
  readonly #server: Server;
  #guard: Guard | undefined;

  constructor(options: PageServerOptions) {
    this.#options = options;
    const onRequest = (request: IncomingMessage, response: ServerResponse) => {
      this.#answer(request, response).catch((error: unknown) => {
        options.log.error({ error }, "a request failed");
        response.destroy();
      });
    };
    this.#server = options.tls
      ? createTlsServer(options.tls, onRequest)
      : createServer({ maxHeaderSize: 32_768 }, onRequest);
  }

  /** Answers the port. @throws NodeJS.ErrnoException when the address cannot be had. */
  async listen(at: { readonly host: string; readonly port: number }): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(at, () => {
        this.#server.off("error", reject);
        resolve();
      });
    });
    const { port } = this.#server.address() as AddressInfo;
    this.#guard = this.#options.guardOf(port);
    return port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#server.listening) return;
    await new Promise((resolve) => {
      this.#server.close(resolve);
      this.#server.closeAllConnections();
    });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { path, query } = target(request.url ?? "/");
    const isData = path.startsWith("/api/");
    const { method, headers } = request;
    const refused = this.#guard && refusal(this.#guard, { method, headers, isData });
    if (refused || !this.#guard) {
      sendJson(response, refused?.status ?? 503, { error: refused?.why ?? "starting" });
      return;
    }
    if (isData) await this.#answerData(path.slice("/api/".length), query, response);
    else this.#sendFile(path, request, response);
  }

  async #answerData(name: string, query: URLSearchParams, response: ServerResponse): Promise<void> {
    const { streams, answers, log } = this.#options;
    const stream = Object.hasOwn(streams, name) ? streams[name] : undefined;
    const answer = Object.hasOwn(answers, name) ? answers[name] : undefined;
    if (stream) {
      using writer = new LineWriter(response, securityHeaders);
      await stream(query, writer).catch((error: unknown) => {
        if (writer.signal.aborted) return;
        if (error instanceof RequestError && error.status < 500) {
          writer.end(error.message);
          return;
        }
        // Cut off instead of ended: the page asks again by itself.
        log.warn({ error, stream: name }, "a stream failed");
        response.destroy();
      });
      return;
    }
    if (!answer) {
      sendJson(response, 404, { error: `there is no ${name}` });
      return;
    }
    const gone = new AbortController();
    response.once("close", () => gone.abort(new Error("the browser has gone")));
    try {
      sendJson(response, 200, await answer(query, gone.signal));
    } catch (error) {
      if (gone.signal.aborted) return;
      const status = error instanceof RequestError ? error.status : 502;
      if (status === 502) log.warn({ error, answer: name }, "a question was not answered");
      sendJson(response, status, { error: (error as Error).message });
    }
  }

  #sendFile(path: string, request: IncomingMessage, response: ServerResponse): void {
    const { files, page } = this.#options.assets;
    const asset = files.get(path);
    // Every other path is a view of the page: what looks like a file is not.
    if (!asset && /\.\w+$/.test(path)) sendJson(response, 404, { error: "not found" });
    else send(request, response, asset ?? page);
  }
}

function target(url: string): { path: string; query: URLSearchParams } {
  const mark = url.indexOf("?");
  const path = mark < 0 ? url : url.slice(0, mark);
  return { path, query: new URLSearchParams(mark < 0 ? "" : url.slice(mark)) };
}

function send(request: IncomingMessage, response: ServerResponse, asset: Asset): void {
  const zip = /\bgzip\b/.test(String(request.headers["accept-encoding"] ?? ""));
  const body = zip ? asset.gzipped : asset.body;
  response.writeHead(200, {
    ...securityHeaders,
    "content-type": asset.type,
    "content-length": body.length,
    "cache-control": asset.immutable ? "public, max-age=31536000, immutable" : "no-cache",
    vary: "accept-encoding",
    ...(zip ? { "content-encoding": "gzip" } : {}),
  });
  response.end(request.method === "HEAD" ? undefined : body);
}

function sendJson(response: ServerResponse, status: number, value: unknown): void {
  if (response.headersSent || response.destroyed) return;
  response.writeHead(status, {
    ...securityHeaders,
    "content-type": json,
    "cache-control": "no-store",
    ...(status === 401 ? { "www-authenticate": "Bearer" } : {}),
    ...(status === 405 ? { allow: "GET, HEAD" } : {}),
  });
  response.end(`${JSON.stringify(value)}\n`);
}
