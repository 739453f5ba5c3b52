// Relay: one endpoint for the flows of all nodes.
import type { Logger, PartHealth } from "@tsilium/runtime";
import { Observer } from "../gen/observer/observer_pb.ts";
import {
  Code,
  type GrpcServer,
  type Limits,
  serveGrpc,
  type SocketOptions,
  stream,
} from "../grpc/index.ts";
import { PendingBytes } from "../grpc/pending.ts";
import { complaints } from "./complaints.ts";
import { serveFlows } from "./flows.ts";
import { RelayMetrics } from "./metrics.ts";
import { observerRoutes } from "./observer.ts";
import { PeerPool, type PoolOptions } from "./pool.ts";

export type RelayOptions = Omit<PoolOptions, "log"> & {
  readonly sockets: readonly SocketOptions[];
  /** Of relay, in events of nodes. */
  readonly nodeName: string;
  readonly version: string;
  readonly sortBufferLenMax: number;
  readonly sortBufferDrainTimeoutMs: number;
  readonly limits?: Partial<Limits>;
  /** What the newest flows of all clients may hold while peers answer and clients read: 256 MiB unless given. */
  readonly maxHeldBytes?: number;
  readonly log: Logger;
};

const usualHeldBytes = 256 * 1024 * 1024;

export type Relay = AsyncDisposable & {
  readonly server: GrpcServer;
  readonly pool: PeerPool;
  readonly metrics: RelayMetrics;
  readonly health: () => PartHealth[];
};

/** Resolves when all sockets listen; peers are connected to meanwhile. @throws Error for a socket that cannot be had */
export async function startRelay(options: RelayOptions): Promise<Relay> {
  const { log } = options;
  const pool = new PeerPool(options);
  const metrics = new RelayMetrics(pool);
  const flowsOptions = {
    ...options,
    pool,
    held: new PendingBytes(options.maxHeldBytes ?? usualHeldBytes),
    onPeerError: (
      peer: { readonly name: string },
      error: { readonly code: Code; message: string },
    ) => {
      metrics.peerErrors.inc({ reason: Code[error.code] ?? "Unknown" });
      log.warn({ peer: peer.name, reason: error.message }, "a peer's stream of flows failed");
    },
    onSent: () => void metrics.sent++,
  };
  const server = await serveGrpc({
    sockets: options.sockets,
    routes: (router) =>
      observerRoutes(router, {
        pool,
        version: options.version,
        timeoutMs: options.dialTimeoutMs,
      }),
    streams: [
      stream(Observer.method.getFlows, async (request, out) => {
        metrics.streams++;
        try {
          await serveFlows(request, out, flowsOptions);
        } finally {
          metrics.streams--;
        }
      }),
    ],
    ...(options.limits ? { limits: options.limits } : {}),
    onIncident: complaints(log),
  });
  const tellHealth = () => {
    const serving = pool.count("ready") > 0;
    for (const service of ["", Observer.typeName]) server.health.set(service, serving);
  };
  const subscription = pool.subscribe(tellHealth);
  tellHealth();
  pool.start();
  return {
    server,
    pool,
    metrics,
    health: () => healthOf(pool),
    [Symbol.asyncDispose]: async () => {
      subscription[Symbol.dispose]();
      await server.close();
      await pool[Symbol.asyncDispose]();
    },
  };
}

function healthOf(pool: PeerPool): PartHealth[] {
  const [ready, all] = [pool.count("ready"), pool.peers.length + pool.unusable.length];
  const missing = all - ready;
  return [
    {
      name: "peer service",
      state: pool.serviceConnected ? "ok" : "degraded",
      message: pool.serviceConnected ? "peers are followed" : "no server tells of peers",
    },
    {
      name: "peers",
      state: ready === 0 ? "failed" : missing > 0 ? "degraded" : "ok",
      message: `${ready} of ${all} connected`,
    },
  ];
}
