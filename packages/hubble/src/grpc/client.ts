// A connection to a gRPC server, made at the first call and made again when it is needed after a failure. One
// connection carries all calls. Certificates are read from their files at every connect.
import type { Transport } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { parseServerAddress } from "./address.ts";
import { type ClientTls, dialer } from "./dial.ts";
import { asUnavailable, mapFailures } from "./failures.ts";
import { streamMessages } from "./client-stream.ts";
import { Sessions } from "./sessions.ts";

export type ClientOptions = {
  /** Absent: plain text. */
  readonly tls?: ClientTls;
  /** For a connection to be there, TLS included: 5 s unless given. */
  readonly dialTimeoutMs?: number;
  /** How often a connection with open calls is asked whether it lives (15 s), and how long the answer may take (10 s). */
  readonly pingIntervalMs?: number;
  readonly pingTimeoutMs?: number;
  /** Deadline of unary calls that have none of their own. */
  readonly callTimeoutMs?: number;
  /** Of one message: 4 MiB unless given. */
  readonly maxMessageBytes?: number;
};

export type GrpcClient = Disposable & {
  /** For `createClient(Observer, client.transport)`. */
  readonly transport: Transport;
  /**
   * The answers to one request, encoded, as they come. Leaving the loop cancels the call.
   * @param path "/observer.Observer/GetFlows"
   * @throws ConnectError with the status of the call: UNAVAILABLE if there is no connection, or none any more, CANCELED
   *   if the signal was aborted
   */
  streamRaw(path: string, request: Uint8Array, signal: AbortSignal): AsyncIterable<Uint8Array>;
  /** The same in the batches that they come in: cheaper for thousands a second. */
  streamBatches(
    path: string,
    request: Uint8Array,
    signal: AbortSignal,
  ): AsyncIterable<readonly Uint8Array[]>;
  /** Resolves when there is a connection. @throws ConnectError UNAVAILABLE */
  connect(): Promise<void>;
  /** Ends the connection and all calls. Idempotent; a later call connects again. */
  close(): void;
};

/**
 * @param address "unix:///path", "host:port", "tls://host:port"; with `tls` options, "host:port" is TLS too
 * @throws Error for an address that is none
 */
export function connectTo(address: string, options: ClientOptions = {}): GrpcClient {
  const server = parseServerAddress(address);
  const { dialTimeoutMs = 5000, maxMessageBytes = 4 * 1024 * 1024 } = options;
  const sessions = new Sessions({
    ...dialer(server, { tls: options.tls, dialTimeoutMs }),
    pingIntervalMs: options.pingIntervalMs ?? 15_000,
    pingTimeoutMs: options.pingTimeoutMs ?? 10_000,
  });
  const transport = createGrpcTransport({
    baseUrl: sessions.authority,
    sessionManager: sessions,
    acceptCompression: [],
    readMaxBytes: maxMessageBytes,
    interceptors: [mapFailures],
    ...(options.callTimeoutMs === undefined ? {} : { defaultTimeoutMs: options.callTimeoutMs }),
  });
  const batches: GrpcClient["streamBatches"] = (path, request, signal) =>
    streamMessages(sessions, { path, request, signal, maxMessageBytes });
  return {
    transport,
    streamBatches: batches,
    async *streamRaw(path, request, signal) {
      for await (const batch of batches(path, request, signal)) yield* batch;
    },
    async connect() {
      try {
        await sessions.connection();
      } catch (error) {
        throw asUnavailable(error);
      }
    },
    close: () => sessions.close(),
    [Symbol.dispose]: () => sessions.close(),
  };
}
