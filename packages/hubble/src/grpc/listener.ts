// One listening socket of a server: a unix socket (mode 0600), or TCP with mutual TLS or without.
import {
  type Http2SecureServer,
  type Http2Server,
  type ServerHttp2Stream,
  createSecureServer,
  createServer,
} from "node:http2";
import type { AddressInfo, Server } from "node:net";
import type { Calls } from "./calls.ts";
import { type TlsFiles, WatchedTlsFiles } from "./certificates.ts";
import type { Connections } from "./connections.ts";
import { limitHandshakes } from "./handshakes.ts";
import { tagSocket } from "./raw-socket.ts";
import type { Address, Limits, ServerIncident } from "./server.ts";
import { listenOnUnix } from "./unix.ts";

export type SocketOptions =
  | { readonly unix: string }
  | {
      readonly host: string;
      /** 0: any. */
      readonly port: number;
      /** Absent: plain text. */
      readonly tls?: TlsFiles;
    };

export type Listener = { readonly address: Address; close(): Promise<void> };

export type ListenerHandlers = {
  readonly calls: Calls;
  readonly connections: Connections;
  readonly limits: Limits;
  readonly onIncident: (incident: ServerIncident) => void;
};

const handshakeTimeoutMs = 10_000;
/** Of one address at once. */
const mostHandshakes = 32;

/** @throws Error for an address that cannot be had or files that are no certificates */
export async function listenOn(
  socket: SocketOptions,
  handlers: ListenerHandlers,
): Promise<Listener> {
  const server =
    "host" in socket && socket.tls !== undefined
      ? secureServer(socket.tls, handlers)
      : createServer(http2Options(handlers.limits));
  const secure = "host" in socket && socket.tls !== undefined;
  server.prependListener(secure ? "secureConnection" : "connection", tagSocket);
  server.on("session", (session) => handlers.connections.add(session));
  server.on("sessionError", () => undefined);
  // Those in the midst of a handshake are no sessions yet.
  server.maxConnections = 2 * handlers.limits.maxConnections;
  server.on("stream", (stream, headers, _flags, rawHeaders) =>
    handlers.calls.serve(stream as ServerHttp2Stream, headers, rawHeaders),
  );
  if ("unix" in socket) {
    const remove = await listenOnUnix(server as Server, socket.unix);
    return { address: { unix: socket.unix }, close: () => stop(server).finally(remove) };
  }
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen({ host: socket.host, port: socket.port }, resolve);
  await promise;
  server.off("error", reject);
  const { address: host, port } = server.address() as AddressInfo;
  return { address: { host, port }, close: () => stop(server) };
}

function stop(server: Http2Server | Http2SecureServer): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}

function http2Options({ maxStreams }: Limits) {
  return {
    settings: { maxConcurrentStreams: maxStreams, maxHeaderListSize: 16_384 },
    maxHeaderListPairs: 64,
    // Megabytes. What waits for clients that do not read is bounded by the number of calls; all of relay's come by one
    // connection, which must not be cut for it.
    maxSessionMemory: 128,
  };
}

function secureServer(
  files: TlsFiles,
  { limits, onIncident }: ListenerHandlers,
): Http2SecureServer {
  const watched = new WatchedTlsFiles(files);
  const { cert, key, ca } = watched.material;
  const server = createSecureServer({
    ...http2Options(limits),
    cert: cert as Buffer,
    key: key as Buffer,
    ca,
    minVersion: files.minVersion ?? "TLSv1.3",
    requestCert: true,
    rejectUnauthorized: true,
    ALPNProtocols: ["h2"],
    handshakeTimeout: handshakeTimeoutMs,
  });
  // Before the TLS server sees the connection: it is served with what the files hold now.
  server.prependListener("connection", () => {
    try {
      const changed = watched.changed();
      if (changed !== undefined) server.setSecureContext(contextOf(changed, files));
    } catch (error) {
      onIncident({ message: "new certificates cannot be used, the old ones are", error });
    }
  });
  limitHandshakes(server, mostHandshakes);
  server.on("unknownProtocol", (socket) => socket.destroy());
  server.on("tlsClientError", (error) =>
    onIncident({ message: "a client's TLS handshake failed", error }),
  );
  return server;
}

function contextOf({ cert, key, ca }: WatchedTlsFiles["material"], { minVersion }: TlsFiles) {
  return {
    cert: cert as Buffer,
    key: key as Buffer,
    ca,
    minVersion: minVersion ?? "TLSv1.3",
  } as const;
}
