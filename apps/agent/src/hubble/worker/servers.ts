// Where the worker is asked: a unix socket for this node, and an address for relays and other nodes. Each is a server of its
// own, so that one which cannot be had keeps nobody from the other, and is tried again.
import { existsSync } from "node:fs";
import {
  type Address,
  type GrpcServer,
  type ServeOptions,
  serveGrpc,
  type SocketOptions,
} from "@tsilium/hubble/grpc/index.ts";
import { type Logger, parseListenAddress } from "@tsilium/runtime";
import { RetryTimer } from "../../retry-timer.ts";
import type { HubbleSettings } from "../settings.ts";

/** Everything but where. */
export type Services = Pick<ServeOptions, "routes" | "streams">;

const longestRetryMs = 30_000;

/** The sockets of a configuration. */
export function socketsOf({ socketPath, listenAddress, tls }: HubbleSettings): SocketOptions[] {
  const unix = { unix: socketPath };
  if (listenAddress === "") return [unix];
  const { host = everyAddress(), port } = parseListenAddress(listenAddress);
  if (!tls) return [unix, { host, port }];
  const { cert: certFile, key: keyFile, clientCas: caFile } = tls;
  return [unix, { host, port, tls: { certFile, keyFile, caFile } }];
}

/** Of both families, where the kernel has both. */
function everyAddress(): string {
  return existsSync("/proc/net/if_inet6") ? "::" : "0.0.0.0";
}

/** One socket's server, there or on its way. */
export class Server implements AsyncDisposable {
  readonly #socket: SocketOptions;
  readonly #services: Services;
  readonly #log: Logger;
  readonly #retry: RetryTimer;
  #server: GrpcServer | undefined;
  #problem: string | undefined;
  #isClosed = false;

  constructor(socket: SocketOptions, services: Services, log: Logger) {
    this.#socket = socket;
    this.#services = services;
    this.#log = log;
    this.#retry = new RetryTimer(() => void this.start(), longestRetryMs);
  }

  /** Resolves when it listens, or has failed to and will try again. */
  async start(): Promise<void> {
    try {
      const server = await serveGrpc({
        ...this.#services,
        sockets: [this.#socket],
        onIncident: ({ message, error }) => this.#log.debug({ error }, message),
      });
      if (this.#isClosed) return await server.close({ graceMs: 0 });
      this.#server = server;
      this.#problem = undefined;
      this.#retry.reset();
      this.#log.info({ address: this.address }, "Hubble listens");
    } catch (error) {
      this.#problem = `cannot listen on ${socketText(this.#socket)}: ${(error as Error).message}`;
      if (!this.#isClosed) this.#retry.start();
    }
  }

  /** Where it listens; undefined: nowhere. */
  get address(): string | undefined {
    const [address] = this.#server?.addresses ?? [];
    return address && addressText(address);
  }

  /** Why it does not listen. */
  get problem(): string | undefined {
    return this.#problem;
  }

  get connections(): number {
    return this.#server?.connections ?? 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.#retry[Symbol.dispose]();
    await this.#server?.close();
  }
}

function socketText(socket: SocketOptions): string {
  return "unix" in socket ? socket.unix : `${socket.host} port ${socket.port}`;
}

function addressText(address: Address): string {
  if ("unix" in address) return `unix://${address.unix}`;
  const { host, port } = address;
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
