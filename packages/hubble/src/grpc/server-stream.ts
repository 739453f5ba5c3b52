// The server's side of a call that streams messages which are encoded already: framing, batching, backpressure.
import type { IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import { Code, ConnectError } from "@connectrpc/connect";
import { frameHead, framed, writeHead } from "./frame.ts";
import { statusTrailers } from "./status.ts";

/** What a handler of a stream is given. */
export type ServerStream = {
  /**
   * Aborted when there is nobody to write to any more: the client is gone or its deadline is over, the server shuts
   * down. The reason is a ConnectError.
   */
  readonly signal: AbortSignal;
  /** Who asks, for logs: "unix" or "address:port". */
  readonly peer: string;
  header(name: string): string | undefined;
  /**
   * Sends one message, together with others written in the same turn. A returned promise is to be awaited before the
   * next call: the client reads slower than this.
   * @throws the signal's reason; ConnectError RESOURCE_EXHAUSTED if promises are not awaited
   */
  write(message: Uint8Array): Promise<void> | undefined;
};

/** Messages written in one turn go to HTTP/2 together, in blocks of at most this. */
const blockSize = 65_536;
/** Held back for a slow client whose handler does not wait. */
const maxHeldBack = 8 * 1024 * 1024;

export class Http2ServerStream implements ServerStream {
  readonly signal: AbortSignal;
  readonly peer: string;
  readonly #stream: ServerHttp2Stream;
  readonly #headers: IncomingHttpHeaders;
  #block: Uint8Array | undefined;
  #filled = 0;
  #scheduled = false;
  #blocked: Promise<void> | undefined;

  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, signal: AbortSignal) {
    const { remoteAddress, remotePort } = stream.session?.socket ?? {};
    this.#stream = stream;
    this.#headers = headers;
    this.signal = signal;
    this.peer = remoteAddress === undefined ? "unix" : `${remoteAddress}:${remotePort}`;
  }

  header(name: string): string | undefined {
    const value = this.#headers[name.toLowerCase()];
    return Array.isArray(value) ? value.join(", ") : value;
  }

  write(message: Uint8Array): Promise<void> | undefined {
    this.signal.throwIfAborted();
    const size = frameHead + message.length;
    if (size > blockSize) this.#flushed(framed(message));
    else this.#gather(message, size);
    return this.#blocked;
  }

  #gather(message: Uint8Array, size: number): void {
    if (this.#filled + size > blockSize) this.#flush();
    this.#block ??= Buffer.allocUnsafeSlow(blockSize);
    writeHead(this.#block, this.#filled, message.length);
    this.#block.set(message, this.#filled + frameHead);
    this.#filled += size;
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#block === undefined) return;
    const bytes = this.#block.subarray(0, this.#filled);
    this.#block = undefined;
    this.#filled = 0;
    this.#send(bytes);
  }

  #flushed(bytes: Uint8Array): void {
    this.#flush();
    this.#send(bytes);
  }

  #send(bytes: Uint8Array): void {
    const stream = this.#stream;
    if (stream.destroyed || stream.writableEnded) return;
    if (stream.writableLength > maxHeldBack) {
      throw new ConnectError("the client reads too slowly", Code.ResourceExhausted);
    }
    this.sendHeaders();
    if (stream.write(bytes) || this.#blocked !== undefined) return;
    this.#blocked = this.#drained();
    // Whether anybody waits for it or not.
    this.#blocked.catch(() => undefined);
  }

  async #drained(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const abort = () => reject(this.signal.reason);
    this.#stream.once("drain", resolve);
    this.signal.addEventListener("abort", abort);
    try {
      await promise;
    } finally {
      this.#blocked = undefined;
      this.#stream.off("drain", resolve);
      this.signal.removeEventListener("abort", abort);
    }
  }

  /** The call is answered: from now on its end is told in trailers. Idempotent. */
  sendHeaders(): void {
    if (this.#stream.headersSent || this.#stream.destroyed) return;
    this.#stream.respond(
      {
        ":status": 200,
        "content-type": "application/grpc+proto",
        "grpc-accept-encoding": "identity",
      },
      { waitForTrailers: true },
    );
  }

  /** Ends the call after what was written, with `error`'s status or success. */
  end(error: ConnectError | undefined): void {
    const stream = this.#stream;
    if (stream.destroyed || stream.closed) return;
    if (!stream.headersSent && this.#block === undefined) return refuse(stream, error);
    this.#flush();
    stream.once("wantTrailers", () => stream.sendTrailers(statusTrailers(error)));
    stream.end();
  }
}

/** An answer that is nothing but its status. */
export function refuse(stream: ServerHttp2Stream, error: ConnectError | undefined): void {
  if (stream.destroyed || stream.closed || stream.headersSent) return;
  stream.respond(
    {
      ":status": 200,
      "content-type": "application/grpc+proto",
      "grpc-accept-encoding": "identity",
      ...statusTrailers(error),
    },
    { endStream: true },
  );
}
