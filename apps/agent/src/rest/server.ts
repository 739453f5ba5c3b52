// HTTP over a unix socket that only its owner may open. Whatever comes in, the answer is HTTP and the
// server goes on.
import { existsSync, rmSync } from "node:fs";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { connect } from "node:net";
import { ApiError } from "./error.ts";
import { type Answer, matchRoute, type Route } from "./router.ts";

// See kube's transport.ts: importing node:http costs 15 MB.
const { createServer } = process.getBuiltinModule("node:http");

/** Bytes of a body; a CNI request has a few hundred. */
const largestBody = 1 << 20;
/** Time a client has to send its whole request. */
const requestTimeoutMs = 30_000;

export type Served = {
  readonly method: string;
  /** The route's path, "/v1/endpoint/{id}"; "unknown" when there was none. */
  readonly path: string;
  readonly status: number;
  readonly durationMs: number;
};

export type ApiServerOptions = {
  readonly routes: readonly Route[];
  /** Told of every answer. */
  readonly onServed?: (served: Served) => void;
  /** Told of what a handler threw that is no ApiError. */
  readonly onError?: (error: unknown, served: Served) => void;
};

export class ApiServer implements AsyncDisposable {
  readonly #server: Server;
  readonly #options: ApiServerOptions;
  readonly #streams = new Set<AbortController>();

  constructor(options: ApiServerOptions) {
    this.#options = options;
    this.#server = createServer({ requestTimeout: requestTimeoutMs, headersTimeout: 10_000 });
    this.#server.on("request", (request, response) => void this.#serve(request, response));
    this.#server.on("clientError", (_error, socket) => {
      if (!socket.writable) return;
      const body = JSON.stringify({ code: "bad_request", message: "this is no HTTP request" });
      socket.end(
        `HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      );
    });
  }

  /**
   * Listens on a socket of mode 0600, in place of one that nobody listens on any more.
   * @throws Error when another process listens there.
   */
  async listen(path: string): Promise<void> {
    if (existsSync(path)) {
      if (await isListening(path)) throw new Error(`another agent listens on ${path}`);
      rmSync(path);
    }
    // The mode must be right from the first moment, so it is the mask that makes it.
    const mask = process.umask(0o177);
    try {
      await new Promise<void>((resolve, reject) => {
        this.#server.once("error", reject);
        this.#server.listen(path, () => {
          this.#server.off("error", reject);
          resolve();
        });
        process.umask(mask);
      });
    } finally {
      process.umask(mask);
    }
  }

  /** Ends every stream; whoever wants more asks again. */
  endStreams(): void {
    for (const stream of this.#streams) stream.abort(new Error("the agent stops"));
  }

  /** Ends streams, lets requests that are being served finish, and closes the socket. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.endStreams();
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeIdleConnections();
    });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const startedAt = performance.now();
    const gone = new AbortController();
    response.on("close", () => {
      if (!response.writableFinished) gone.abort(new Error("the client went away"));
    });
    let path = "unknown";
    const served = (status: number): Served => ({
      method: request.method ?? "",
      path,
      status,
      durationMs: performance.now() - startedAt,
    });
    let answer: Answer;
    try {
      const { route, parameters } = matchRoute(
        this.#options.routes,
        request.method ?? "",
        request.url ?? "",
      );
      path = route.path;
      const body = await readBody(request);
      answer = await route.handle({ parameters, body, signal: gone.signal });
    } catch (error) {
      answer = failureAnswer(error);
      if (!(error instanceof ApiError)) this.#options.onError?.(error, served(answer.status));
    }
    try {
      await this.#send(response, answer, gone);
    } catch (error) {
      if (!gone.signal.aborted) this.#options.onError?.(error, served(answer.status));
      response.destroy();
    }
    this.#options.onServed?.(served(answer.status));
  }

  async #send(response: ServerResponse, answer: Answer, gone: AbortController): Promise<void> {
    if (answer.lines) {
      this.#streams.add(gone);
      try {
        await sendLines(response, answer, answer.lines, gone.signal);
      } finally {
        this.#streams.delete(gone);
      }
      return;
    }
    const body =
      answer.json === undefined ? (answer.text ?? "") : `${JSON.stringify(answer.json)}\n`;
    response.writeHead(answer.status, {
      ...(body === ""
        ? {}
        : { "content-type": answer.json === undefined ? "text/plain" : "application/json" }),
      ...answer.headers,
      "content-length": Buffer.byteLength(body),
    });
    response.end(body);
  }
}

async function sendLines(
  response: ServerResponse,
  answer: Answer,
  lines: AsyncIterable<string>,
  signal: AbortSignal,
): Promise<void> {
  response.writeHead(answer.status, { "content-type": "application/x-ndjson", ...answer.headers });
  response.flushHeaders();
  for await (const line of lines) {
    if (signal.aborted) break;
    if (!response.write(`${line}\n`)) await drained(response, signal);
  }
  response.end();
}

function drained(response: ServerResponse, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off("drain", done);
      signal.removeEventListener("abort", done);
      resolve();
    };
    response.once("drain", done);
    signal.addEventListener("abort", done, { once: true });
  });
}

async function readBody(request: IncomingMessage): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > largestBody)
      throw new ApiError(413, "too_large", `a body has at most ${largestBody} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function failureAnswer(error: unknown): Answer {
  const { status, code, message } =
    error instanceof ApiError
      ? error
      : { status: 500, code: "internal", message: (error as Error)?.message ?? String(error) };
  return {
    status,
    json: { code, message },
    headers: status === 413 ? { connection: "close" } : {},
  };
}

function isListening(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path);
    probe.once("connect", () => {
      probe.destroy();
      resolve(true);
    });
    probe.once("error", () => resolve(false));
  });
}
