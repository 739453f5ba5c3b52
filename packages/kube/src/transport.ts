// HTTP/1.1 with kept-alive connections to one API server. A watch holds a connection of its own.
import type { Agent as HttpAgentType, ClientRequest, IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { connect as connectSocket, type NetConnectOpts, type Socket } from "node:net";
import {
  connect as connectTls,
  type ConnectionOptions as TlsOptions,
  createSecureContext,
  TLSSocket,
} from "node:tls";
import type { ConnectionOptions } from "./config.ts";
import { KubeError } from "./errors.ts";

// Not by import: that evaluates every export of node:http, WebSocket's getter included, which loads undici for
// 15 MB of resident memory (Node 26).
const { Agent: HttpAgent, request: httpRequest } = process.getBuiltinModule("node:http");

export type Call = {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Path and query. */
  readonly target: string;
  readonly body?: unknown;
  readonly contentType?: string;
  /** Default application/json. */
  readonly accept?: string;
  readonly signal: AbortSignal;
  /** From sending to the last byte of the answer (of its head, for a stream). Default 30 s. */
  readonly timeoutMs?: number;
};

const defaultTimeoutMs = 30_000;
/** Shorter than any server's own idle time-out, so that we never write into a closing connection. */
const idleSocketMs = 20_000;

export class Transport implements Disposable {
  readonly #url: URL;
  readonly #options: ConnectionOptions;
  readonly #agent: HttpAgentType | HttpsAgent;
  /** Connections that a write may be waiting in. */
  readonly #guarded = new Set<Socket>();

  constructor(options: ConnectionOptions) {
    this.#url = new URL(options.server);
    this.#options = options;
    const pool = { keepAlive: true, timeout: idleSocketMs, scheduling: "lifo" } as const;
    this.#agent =
      this.#url.protocol === "https:"
        ? new HttpsAgent({
            ...pool,
            // Made once: parsing certificates and key anew costs each connection milliseconds.
            secureContext: createSecureContext({
              ...(options.ca ? { ca: options.ca } : {}),
              ...(options.cert ? { cert: options.cert } : {}),
              ...(options.key ? { key: options.key } : {}),
            }),
            ...(options.serverName ? { servername: options.serverName } : {}),
          })
        : new HttpAgent(pool);
    if (options.mayWrite) this.#keepResettable();
  }

  /** The whole answer as text. @throws KubeError for any status of 300 and above, and without an answer. */
  async text(call: Call): Promise<string> {
    const response = await this.#answer(call);
    try {
      return await readAll(response);
    } catch (error) {
      throw connectionFailed(call, error);
    }
  }

  /**
   * The answer's head; the caller reads the stream, and ends it by aborting the call's signal.
   * @throws KubeError as `text` does.
   */
  async stream(call: Call): Promise<IncomingMessage> {
    return this.#answer(call, { idle: "unlimited" });
  }

  /** Ends all connections. Where writes need permission, what the kernel has not sent yet is dropped with them. */
  [Symbol.dispose](): void {
    for (const socket of this.#guarded) socket.resetAndDestroy();
    this.#agent.destroy();
  }

  /**
   * Closing a connection leaves what was written to the kernel, which goes on sending it to a server that cannot be reached:
   * until after another process has taken over. Resetting does not, but needs the socket beneath TLS.
   */
  #keepResettable(): void {
    const secure = this.#url.protocol === "https:";
    const agent: { createConnection: (options: NetConnectOpts) => Socket } = this.#agent as never;
    agent.createConnection = (options) => {
      const socket = connectSocket(options);
      this.#guarded.add(socket);
      socket.once("close", () => this.#guarded.delete(socket));
      return secure ? connectTls({ ...(options as TlsOptions), socket }) : socket;
    };
  }

  async #answer(call: Call, stream?: { readonly idle: "unlimited" }): Promise<IncomingMessage> {
    call.signal.throwIfAborted();
    let response: IncomingMessage;
    try {
      response = await this.#send(call, stream);
    } catch (error) {
      call.signal.throwIfAborted();
      if (!(error instanceof StaleConnection)) throw connectionFailed(call, error);
      response = await this.#send(call, stream).catch((again: unknown) => {
        throw connectionFailed(call, again);
      });
    }
    this.#passOnWarnings(response);
    const status = response.statusCode ?? 0;
    if (status < 300) return response;
    const body = await readAll(response).catch(() => "");
    throw KubeError.fromAnswer(status, body, `${call.method} ${call.target}`);
  }

  #send(call: Call, stream?: { readonly idle: "unlimited" }): Promise<IncomingMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const payload = call.body === undefined ? undefined : JSON.stringify(call.body);
    const send = this.#url.protocol === "https:" ? httpsRequest : httpRequest;
    const request = send({
      agent: this.#agent,
      host: this.#url.hostname.replace(/^\[|\]$/g, ""),
      port: this.#url.port || (this.#url.protocol === "https:" ? 443 : 80),
      method: call.method,
      path: call.target,
      headers: this.#headers(call, payload),
      signal: call.signal,
    });
    const timer = setTimeout(
      () => request.destroy(new Error("timed out")),
      call.timeoutMs ?? defaultTimeoutMs,
    );
    request.on("response", (response) => {
      if (stream) clearTimeout(timer);
      else response.once("close", () => clearTimeout(timer));
      resolve(response);
    });
    request.on("error", (error) => {
      clearTimeout(timer);
      // A kept connection that the server closed meanwhile: only what changes nothing is sent again.
      const stale = request.reusedSocket && call.method === "GET" && isReset(error);
      reject(stale ? new StaleConnection() : error);
    });
    // The pool's idle time-out must not touch a stream that waits for the next event.
    request.on("socket", (socket) => {
      socket.setTimeout(0);
      socket.setKeepAlive(true, idleSocketMs);
    });
    const { mayWrite } = this.#options;
    if (mayWrite === undefined || call.method === "GET") request.end(payload);
    else
      request.on("socket", (socket) => whenOpen(socket, () => endIf(mayWrite, request, payload)));
    return promise;
  }

  #passOnWarnings(response: IncomingMessage): void {
    const { onWarning } = this.#options;
    if (onWarning)
      for (const text of warningTexts(response.headers["warning"] ?? "")) onWarning(text);
  }

  #headers(call: Call, payload: string | undefined): Record<string, string | number> {
    const { token, userAgent = "tsilium" } = this.#options;
    const bearer = typeof token === "function" ? token() : token;
    return {
      Accept: call.accept ?? "application/json",
      "User-Agent": userAgent,
      ...(bearer ? { Authorization: `Bearer ${bearer}` } : {}),
      ...(payload === undefined
        ? {}
        : {
            "Content-Type": call.contentType ?? "application/json",
            "Content-Length": Buffer.byteLength(payload),
          }),
    };
  }
}

/**
 * At once, or when the connection has come about. Node keeps a request that is ended earlier until then: long after it was
 * permitted, where the server could not be reached.
 */
function whenOpen(socket: Socket, action: () => void): void {
  if (socket instanceof TLSSocket && !socket.authorized) socket.once("secureConnect", action);
  else if (socket.connecting) socket.once("connect", action);
  else action();
}

function endIf(mayWrite: () => void, request: ClientRequest, payload: string | undefined): void {
  try {
    mayWrite();
  } catch (error) {
    return void request.destroy(error as Error);
  }
  request.end(payload);
}

class StaleConnection extends Error {}

function isReset(error: unknown): boolean {
  return (
    error instanceof Error &&
    "code" in error &&
    (error.code === "ECONNRESET" || error.code === "EPIPE")
  );
}

function connectionFailed(call: Call, cause: unknown): unknown {
  if (cause instanceof KubeError) return cause;
  if (call.signal.aborted) return call.signal.reason;
  const why = cause instanceof AggregateError ? String(cause.errors[0]) : (cause as Error).message;
  return new KubeError("ConnectionFailed", `${call.method} ${call.target}: ${why}`, { cause });
}

/** The texts of a Warning header: `299 - "text", 299 - "text"` (RFC 7234 5.5). */
export function warningTexts(header: string): string[] {
  return Array.from(header.matchAll(/299 \S+ "((?:[^"\\]|\\.)*)"/g), ([, quoted = ""]) =>
    quoted.replaceAll(/\\(.)/g, "$1").replaceAll(/\p{Cc}/gu, " "),
  );
}

async function readAll(response: IncomingMessage): Promise<string> {
  response.setEncoding("utf8");
  let text = "";
  for await (const chunk of response) text += chunk as string;
  return text;
}
