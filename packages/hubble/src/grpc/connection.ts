// One HTTP/2 connection of a client: asks the server whether it lives while calls are open, and is given up, socket and
// all, when there is no answer. (connect-node has a manager of such connections; it leaves errors without a listener,
// which ends the process, and sockets of servers that stopped to read open.)
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type OutgoingHttpHeaders,
  connect,
} from "node:http2";
import type { Socket } from "node:net";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Dialer } from "./dial.ts";

export type ConnectionOptions = Dialer & {
  readonly pingIntervalMs: number;
  readonly pingTimeoutMs: number;
};

// Flows come in thousands: room for what a busy moment of this process leaves unread. Relay has a stream for each of its
// clients and nodes, and holds as much for each client that does not read.
const streamWindow = 256 * 1024;
const connectionWindow = 4 * 1024 * 1024;
/** A connection without calls is closed after this. */
const idleTimeoutMs = 15 * 60_000;

export class ClientConnection {
  /** Rejects with what kept it from being made. */
  readonly ready: Promise<void>;
  readonly #options: ConnectionOptions;
  readonly #socket: Socket;
  readonly #session: ClientHttp2Session;
  #failure: Error | undefined;
  #calls = 0;
  #heardAt = performance.now();
  #timer: NodeJS.Timeout | undefined;
  #pinging: Promise<boolean> | undefined;

  /** Begins to connect. @throws Error of the file system for certificates that cannot be read */
  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#socket = options.createConnection();
    this.#session = connect(options.url, {
      createConnection: () => this.#socket,
      settings: { enablePush: false, initialWindowSize: streamWindow },
    });
    // For as long as it lives: a session may have several errors to tell.
    this.#session.on("error", (error) => (this.#failure ??= error));
    this.ready = this.#connected();
    this.ready.catch(() => undefined);
    this.#session.once("close", () => clearTimeout(this.#timer));
  }

  /** Whether new calls can be made: not after it broke, nor after the server said that it goes away. */
  get usable(): boolean {
    return !this.#session.closed && !this.#session.destroyed;
  }

  get closed(): boolean {
    return this.#socket.destroyed;
  }

  async #connected(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#session.once("connect", () => resolve());
    this.#session.once("close", () =>
      reject(this.#failure ?? new ConnectError("the connection was closed", Code.Unavailable)),
    );
    await promise;
    this.#session.setLocalWindowSize(connectionWindow);
    this.#heardAt = performance.now();
    if (this.#calls === 0) this.#socket.unref();
    this.#schedule(this.#options.pingIntervalMs);
  }

  /** @throws Error of node:http2 if it is not usable any more */
  request(headers: OutgoingHttpHeaders, options: object): ClientHttp2Stream {
    const stream = this.#session.request(headers, options);
    if (++this.#calls === 1) this.#socket.ref();
    stream.once("response", () => this.heard());
    stream.once("close", () => {
      // An idle connection does not keep the process alive.
      if (--this.#calls === 0) this.#socket.unref();
    });
    return stream;
  }

  /** The server is alive: it sent something. */
  heard(): void {
    this.#heardAt = performance.now();
  }

  /** Whether it lives; asked only if nothing was heard for long. */
  async verify(): Promise<boolean> {
    const silentMs = performance.now() - this.#heardAt;
    return silentMs < this.#options.pingIntervalMs ? this.usable : this.#ping();
  }

  /** Ends it and its calls with this error. Idempotent. */
  giveUp(error: Error): void {
    this.#session.destroy(error);
    this.#socket.destroy();
  }

  #schedule(delayMs: number): void {
    clearTimeout(this.#timer);
    if (this.#session.destroyed) return;
    this.#timer = setTimeout(() => void this.#check(), Math.min(delayMs, 2 ** 31 - 1));
    this.#timer.unref();
  }

  async #check(): Promise<void> {
    const { pingIntervalMs } = this.#options;
    const silentMs = performance.now() - this.#heardAt;
    if (this.#calls === 0 && silentMs > idleTimeoutMs) return this.giveUp(clientClosed());
    if (this.#calls > 0 && silentMs >= pingIntervalMs) await this.#ping();
    const nextMs = this.#heardAt + pingIntervalMs - performance.now();
    this.#schedule(nextMs > 0 ? nextMs : pingIntervalMs);
  }

  #ping(): Promise<boolean> {
    this.#pinging ??= this.#sendPing().finally(() => (this.#pinging = undefined));
    return this.#pinging;
  }

  #sendPing(): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    if (this.#session.destroyed) return Promise.resolve(false);
    const { pingTimeoutMs } = this.#options;
    const timer = setTimeout(() => {
      const message = `the server has not answered a PING for ${pingTimeoutMs} ms`;
      this.giveUp(new ConnectError(message, Code.Unavailable));
      resolve(false);
    }, pingTimeoutMs);
    this.#session.ping((error) => {
      clearTimeout(timer);
      if (error === null) this.heard();
      resolve(error === null);
    });
    return promise;
  }
}

/** What calls end with whose client was closed. (A ConnectError would be loaded with much else for a mere goodbye.) */
export function clientClosed(): Error {
  return Object.assign(new Error("the client was closed"), {
    name: "AbortError",
    code: "ABORT_ERR",
  });
}
