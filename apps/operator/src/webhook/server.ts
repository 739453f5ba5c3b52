// HTTPS in front of the reviews: one path, one method, bounded bodies. Whatever comes is answered, or its connection ends.
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { parseListenAddress } from "@tsilium/runtime";
import type { PolicyJudge } from "../policies/judge.ts";
import { answerReview, ReviewError, type ReviewAnswer } from "./review.ts";

export const reviewPath = "/validate";

const limits = {
  /** An object and the state that it replaces; an API server takes neither beyond 3 MiB. */
  bodyBytes: 8 * 1024 * 1024,
  /** API servers ask with a time-out of 30 s at most, ours of 2 s. */
  requestTimeoutMs: 10_000,
  maxConnections: 200,
} as const;

export type WebhookServerOptions = {
  readonly cert: string;
  readonly key: string;
  readonly judges: Readonly<Record<string, PolicyJudge>>;
  /** Told of every request, for metrics. */
  readonly onAnswer: (answer: Pick<ReviewAnswer, "kind"> & { readonly outcome: Outcome }) => void;
  /** Told of faults of our own. */
  readonly onFault: (error: unknown) => void;
};

export type Outcome = ReviewAnswer["outcome"] | "malformed" | "fault";

/** An answer other than a review. */
class HttpError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export class WebhookServer implements AsyncDisposable {
  readonly #options: WebhookServerOptions;
  readonly #server: Server;

  constructor(options: WebhookServerOptions) {
    this.#options = options;
    this.#server = createServer(
      {
        cert: options.cert,
        key: options.key,
        minVersion: "TLSv1.2",
        handshakeTimeout: limits.requestTimeoutMs,
        headersTimeout: limits.requestTimeoutMs,
        requestTimeout: limits.requestTimeoutMs,
      },
      (request, response) => void this.#handle(request, response),
    );
    this.#server.maxConnections = limits.maxConnections;
    this.#server.on("tlsClientError", (_error, socket) => socket.destroy());
  }

  /** Listens on "host:port", "[::1]:port" or ":port". Answers the port. @throws Error, NodeJS.ErrnoException */
  async listen(address: string): Promise<number> {
    const { host, port } = parseListenAddress(address);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once("error", reject);
    this.#server.listen({ port, ...(host === undefined ? {} : { host }) }, resolve);
    await promise;
    this.#server.off("error", reject);
    this.#server.on("error", this.#options.onFault);
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

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { judges, onAnswer, onFault } = this.#options;
    try {
      const { review, kind, outcome } = answerReview(await readReview(request), judges);
      onAnswer({ kind, outcome });
      send(response, 200, review);
    } catch (error) {
      const status = statusOf(error);
      onAnswer({ kind: "other", outcome: status === 500 ? "fault" : "malformed" });
      if (status === 500) onFault(error);
      // What is left of a body nobody will read: the connection cannot be used again.
      if (!request.complete) response.setHeader("Connection", "close");
      send(response, status, { message: status === 500 ? "internal error" : String(error) });
    }
  }
}

async function readReview(request: IncomingMessage): Promise<unknown> {
  const path = (request.url ?? "").split("?", 1)[0];
  if (path !== reviewPath) throw new HttpError(404, "no such path");
  if (request.method !== "POST") throw new HttpError(405, "reviews are posted");
  const type = (request.headers["content-type"] ?? "").split(";", 1)[0]?.trim().toLowerCase();
  if (type !== "application/json") throw new HttpError(415, "wanted application/json");
  const text = await readBody(request);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ReviewError("the body is no JSON", { cause });
  }
}

async function readBody(request: IncomingMessage): Promise<string> {
  if (Number(request.headers["content-length"] ?? 0) > limits.bodyBytes) throw tooLarge();
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > limits.bodyBytes) throw tooLarge();
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof HttpError) throw error;
    throw new ReviewError("the body ended early", { cause: error });
  }
  return Buffer.concat(chunks).toString("utf8");
}

function tooLarge(): HttpError {
  return new HttpError(413, `the body is larger than ${limits.bodyBytes} bytes`);
}

function statusOf(error: unknown): number {
  if (error instanceof HttpError) return error.status;
  // RangeError: nested deeper than any policy is, or any stack.
  return error instanceof ReviewError || error instanceof RangeError ? 400 : 500;
}

function send(response: ServerResponse, status: number, body: object): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    "Content-Type": "application/json",
    "Content-Length": Buffer.byteLength(text),
  });
  response.end(text);
}
