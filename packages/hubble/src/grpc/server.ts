// A gRPC server over node:http2: on unix sockets, and on TCP with mutual TLS. Unary calls and small streams go through
// connect's router; streams of encoded messages have routes of their own. Health and reflection are always there.
import { type DescService } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter, createConnectRouter } from "@connectrpc/connect";
import { accidents } from "./accidents.ts";
import { Calls } from "./calls.ts";
import { Connections, type ConnectionLimits } from "./connections.ts";
import { Health, healthRoutes } from "./health.ts";
import { type Listener, type SocketOptions, listenOn } from "./listener.ts";
import { PendingBytes } from "./pending.ts";
import { reflectionRoutes } from "./reflection.ts";
import type { StreamRoute } from "./stream-route.ts";

export type Limits = ConnectionLimits & {
  /** Of one answer. */
  readonly maxMessageBytes: number;
  /** Of a request of `streams`; others are small. */
  readonly maxRequestBytes: number;
  /** Of all requests of `streams` that are still arriving. */
  readonly maxPendingBytes: number;
  /** Calls at once, of all connections: of `streams`, and of others. */
  readonly maxStreamCalls: number;
  readonly maxOtherCalls: number;
  /** For a request to arrive. */
  readonly requestTimeoutMs: number;
};

const defaultLimits: Limits = {
  maxMessageBytes: 4 * 1024 * 1024,
  maxRequestBytes: 1024 * 1024,
  maxPendingBytes: 64 * 1024 * 1024,
  maxStreamCalls: 1000,
  maxOtherCalls: 1000,
  requestTimeoutMs: 30_000,
  maxConnections: 256,
  // As many as there may be calls: relay has one connection to a node for all of its clients, and calls that had to wait
  // there would look like a node that hangs.
  maxStreams: 2000,
  idleTimeoutMs: 10 * 60_000,
  pingIntervalMs: 30_000,
  pingTimeoutMs: 20_000,
};

/** Questions of the router are names at the most. */
const smallRequestBytes = 65_536;

/** Something that went wrong and ended in an answer, or with a connection; nothing of it is secret. */
export type ServerIncident = { readonly message: string; readonly error: unknown };

export type ServeOptions = {
  /** Connect's: `router.service(Observer, {...})`. Methods that are not given answer UNIMPLEMENTED. */
  readonly routes: (router: ConnectRouter) => void;
  /** Take precedence over `routes`. */
  readonly streams?: readonly StreamRoute[];
  readonly sockets: readonly SocketOptions[];
  /** A new one unless given. All services of `routes` serve. */
  readonly health?: Health;
  readonly limits?: Partial<Limits>;
  readonly onIncident?: (incident: ServerIncident) => void;
};

export type Address = { readonly unix: string } | { readonly host: string; readonly port: number };

export type GrpcServer = AsyncDisposable & {
  /** In the order of `sockets`; ports that were 0 are the real ones. */
  readonly addresses: readonly Address[];
  readonly health: Health;
  readonly connections: number;
  /**
   * No new connections and calls; streams end with UNAVAILABLE; what is still open after `graceMs` (2 s) is cut.
   * Idempotent.
   */
  close(options?: { readonly graceMs?: number }): Promise<void>;
};

/** Resolves when all sockets listen. @throws Error for one that cannot be had; none is left open then */
export async function serveGrpc(options: ServeOptions): Promise<GrpcServer> {
  const limits = { ...defaultLimits, ...options.limits };
  const onIncident = options.onIncident ?? (() => undefined);
  const health = options.health ?? new Health();
  const shutdown = new AbortController();
  const router = makeRouter(options.routes, {
    health,
    limits,
    shutdown: shutdown.signal,
    onIncident,
  });
  const calls = new Calls({
    ...limits,
    router,
    streams: options.streams ?? [],
    pending: new PendingBytes(limits.maxPendingBytes),
    shutdown: shutdown.signal,
    onIncident,
  });
  const connections = new Connections(limits);
  const listeners: Listener[] = [];
  const stopListening = () => Promise.all(listeners.map((listener) => listener.close()));
  try {
    for (const socket of options.sockets) {
      const handlers = { calls, connections, limits, onIncident };
      listeners.push(await listenOn(socket, handlers));
    }
  } catch (error) {
    await stopListening();
    throw error;
  }

  let closing: Promise<void> | undefined;
  const close = async (graceMs: number) => {
    health.shutDown();
    const listening = stopListening();
    shutdown.abort(new ConnectError("the server shuts down", Code.Unavailable));
    await connections.close(graceMs);
    await listening;
  };
  return {
    addresses: listeners.map(({ address }) => address),
    health,
    get connections() {
      return connections.size;
    },
    close: ({ graceMs = 2000 } = {}) => (closing ??= close(graceMs)),
    [Symbol.asyncDispose]: () => (closing ??= close(2000)),
  };
}

type RouterOptions = {
  readonly health: Health;
  readonly limits: Limits;
  readonly shutdown: AbortSignal;
  readonly onIncident: (incident: ServerIncident) => void;
};

function makeRouter(
  routes: (router: ConnectRouter) => void,
  { health, limits, shutdown, onIncident }: RouterOptions,
): ConnectRouter {
  const router = createConnectRouter({
    grpc: true,
    grpcWeb: false,
    connect: false,
    // Nothing gains from compression on these links, and a small request must not become a large one.
    acceptCompression: [],
    readMaxBytes: smallRequestBytes,
    writeMaxBytes: limits.maxMessageBytes,
    shutdownSignal: shutdown,
    interceptors: [accidents(onIncident)],
  });
  routes(router);
  const services = new Set<DescService>(router.handlers.map(({ service }) => service));
  for (const { typeName } of services)
    if (health.status(typeName) === undefined) health.set(typeName, true);
  healthRoutes(router, health);
  for (const { service } of router.handlers) services.add(service);
  reflectionRoutes(router, [...services]);
  return router;
}
