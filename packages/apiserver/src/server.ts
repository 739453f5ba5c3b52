// The API server: a store, the kinds it serves, and one or more TLS listeners in front of them.
import { createServer, type Server } from "node:https";
import { isIP, type AddressInfo } from "node:net";
import type { TLSSocket } from "node:tls";
import type { AuditEvent } from "./audit/event.ts";
import type { Pki } from "./auth/pki.ts";
import type { TokenUser } from "./auth/user.ts";
import { Handler, type RequestLog } from "./http/handler.ts";
import { bootstrap } from "./bootstrap.ts";
import type { NodePortRange } from "./kinds/node-ports.ts";
import { Registry, type Admissions } from "./kinds/registry.ts";
import { Store } from "./store/store.ts";
import type { KubeletSocket } from "./streams/kubelet.ts";
import { mayUpgrade, responseOn } from "./streams/upgrade.ts";

export type Listener =
  /** Port 0: any free one. */
  | { readonly address: string; readonly port: number }
  /** A socket that already listens, made by whoever started us, perhaps in another network namespace. */
  | { readonly fd: number };

export type ApiServerOptions = {
  readonly dataDir: string;
  readonly pki: Pki;
  readonly listeners: readonly Listener[];
  readonly tokens?: readonly TokenUser[];
  /** Ranges of cluster IPs, one per family; the first is the default family. */
  readonly serviceRanges?: readonly string[];
  /** Kubernetes' --service-node-port-range; default 30000-32767. */
  readonly nodePortRange?: NodePortRange;
  /** How many changes of one resource a watch can go back. */
  readonly windowCapacity?: number;
  /** Who else is asked before an object of a kind is stored. */
  readonly admissions?: Admissions;
  /** Where kubelets listen; without it there are no logs of pods and no commands in them. */
  readonly kubelet?: KubeletSocket;
  readonly log?: (request: RequestLog) => void;
  /** Told of every request, as an audit log keeps it. */
  readonly audit?: (event: AuditEvent) => void;
  /** Told of faults of our own, those answered with 500. */
  readonly onFault?: (error: unknown) => void;
};

export const defaultServiceRanges = ["10.96.0.0/16", "fd00:10:96::/112"] as const;

const limits = {
  /** A handshake, a request's head, and all of a request must be over by then. */
  handshakeTimeoutMs: 10_000,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 60_000,
  /** Longer than any client's: the client is to close first. */
  keepAliveTimeoutMs: 90_000,
  maxHeaderBytes: 32 * 1024,
  maxConnections: 10_000,
} as const;

export class ApiServer implements AsyncDisposable {
  readonly #store: Store;
  readonly #handler: Handler;
  readonly #servers: readonly Server[];
  readonly #listeners: readonly Listener[];
  readonly #resources: DisposableStack;

  private constructor(parts: {
    readonly store: Store;
    readonly handler: Handler;
    readonly servers: readonly Server[];
    readonly listeners: readonly Listener[];
    readonly resources: DisposableStack;
  }) {
    this.#store = parts.store;
    this.#handler = parts.handler;
    this.#servers = parts.servers;
    this.#listeners = parts.listeners;
    this.#resources = parts.resources;
  }

  /**
   * Opens the store and listens; the system namespaces and the service "kubernetes" exist when it resolves.
   * @throws RangeError for an address that is not loopback: who may reach the server from outside is not
   * ours to decide, only whoever hands us a socket can.
   */
  static async start(options: ApiServerOptions): Promise<ApiServer> {
    for (const listener of options.listeners)
      if ("address" in listener) checkLoopback(listener.address);
    using cleanup = new DisposableStack();
    const serviceRanges = options.serviceRanges ?? defaultServiceRanges;
    const { admissions, nodePortRange } = options;
    const registry = new Registry({ serviceRanges, nodePortRange, admissions });
    const store = cleanup.use(
      new Store({
        folder: options.dataDir,
        ...(options.windowCapacity ? { windowCapacity: options.windowCapacity } : {}),
        fieldIndex: (resource, object) => registry.fieldsOf(resource, object),
        claimsOf: (resource, object) => registry.claimsOf(resource, object),
        ...(options.onFault ? { onFault: options.onFault } : {}),
      }),
    );
    cleanup.use(registry.follow(store));
    await bootstrap({ store, registry, serviceRanges });
    const handler = new Handler({
      store,
      registry,
      tokens: options.tokens ?? [],
      log: options.log,
      audit: options.audit,
      onFault: options.onFault,
      kubelet: options.kubelet,
    });
    const servers: Server[] = [];
    for (const listener of options.listeners)
      servers.push(await listen(listener, options.pki, handler));
    return new ApiServer({
      store,
      handler,
      servers,
      listeners: options.listeners,
      resources: cleanup.move(),
    });
  }

  /** Port of the first listener. */
  get port(): number {
    return ((this.#servers[0] as Server).address() as AddressInfo).port;
  }

  /** Where clients on this machine reach the server. @throws RangeError when it only has inherited sockets. */
  get origin(): string {
    const index = this.#listeners.findIndex((listener) => "address" in listener);
    const listener = this.#listeners[index];
    if (!listener || !("address" in listener)) throw new RangeError("no listener on loopback");
    const { port } = (this.#servers[index] as Server).address() as AddressInfo;
    return `https://${isIP(listener.address) === 6 ? `[${listener.address}]` : listener.address}:${port}`;
  }

  get revision(): number {
    return this.#store.revision;
  }

  /** Ends watches, waits for requests in work for a moment, commits what is pending, closes the store. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#handler.stopWatches();
    await Promise.all(this.#servers.map(close));
    this.#resources.dispose();
  }
}

function checkLoopback(address: string): void {
  const loopback = isIP(address) === 4 ? address.startsWith("127.") : address === "::1";
  if (!loopback) {
    throw new RangeError(
      `the API server listens on loopback only, not on ${address}: hand it a socket instead`,
    );
  }
}

async function listen(listener: Listener, pki: Pki, handler: Handler): Promise<Server> {
  const server = createServer(
    {
      ca: pki.ca,
      cert: pki.server.cert,
      key: pki.server.key,
      // Clients with tokens have no certificate; who sends a wrong one is refused by the handler.
      requestCert: true,
      rejectUnauthorized: false,
      minVersion: "TLSv1.2",
      handshakeTimeout: limits.handshakeTimeoutMs,
      maxHeaderSize: limits.maxHeaderBytes,
      headersTimeout: limits.headersTimeoutMs,
      requestTimeout: limits.requestTimeoutMs,
      keepAliveTimeout: limits.keepAliveTimeoutMs,
      noDelay: true,
      shouldUpgradeCallback: mayUpgrade,
    },
    (request, response) => void handler.handle(request, response),
  );
  server.maxConnections = limits.maxConnections;
  server.on("tlsClientError", (_error, socket) => socket.destroy());
  server.on("secureConnection", readAsStream);
  server.on("upgrade", (request, socket, head) => {
    // Node has stopped its flow: what comes is kept until somebody reads. A pause() would also stop the handle below, which
    // only resume() starts again.
    socket.off("data", ignore);
    // What follows a request with a body, be it an empty one, comes after that has been taken.
    request.resume();
    void handler.handle(request, responseOn(request, socket, head));
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  if ("fd" in listener) server.listen({ fd: listener.fd }, resolve);
  else server.listen({ host: listener.address, port: listener.port }, resolve);
  await promise;
  return server;
}

/**
 * Makes the HTTP parser take what it reads from the socket's stream, by there being another reader, and not from below it.
 * There Node 26 ends the connection with "Parse Error: Paused" (HPE_PAUSED) when a request of several TLS records comes
 * before it has noticed that a long answer is out: it stops the parser, but not what TLS has deciphered already.
 */
function readAsStream(socket: TLSSocket): void {
  socket.on("data", ignore);
}

function ignore(): void {}

const closeGraceMs = 1_000;

async function close(server: Server): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  server.closeIdleConnections();
  const timer = setTimeout(() => server.closeAllConnections(), closeGraceMs);
  await promise;
  clearTimeout(timer);
}
