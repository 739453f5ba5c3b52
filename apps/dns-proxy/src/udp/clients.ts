// Clients by address, with what each holds, so that one cannot take everything; and the way from each to each server.
import { addressText, type DnsProxyLimits } from "@tsilium/dns";
import { newTaker, type Taker } from "../turns.ts";
import type { Family } from "./listening.ts";
import type { Upstream } from "./upstream.ts";

/** One client and one server that it asks. */
export type Route = {
  readonly key: string;
  /** Sockaddr bytes. */
  readonly server: Uint8Array;
  readonly serverEnd: { readonly address: string; readonly port: number };
  /** The socket for the next query. */
  upstream: Upstream | undefined;
};

export type Client = Taker & {
  readonly family: Family;
  readonly address: string;
  /** Sockaddr bytes of one of its datagrams. */
  readonly sockaddr: Uint8Array;
  readonly routes: Map<string, Route>;
  pending: number;
  sockets: number;
};

/** A client that is one of many may have this part of all sockets. */
const socketShare = 8;
/** Servers of one client that are remembered while it has queries or sockets. */
const maxRoutes = 1_024;

export class Clients {
  readonly #clients = new Map<string, Client>();
  readonly #limits: DnsProxyLimits;
  pending = 0;
  sockets = 0;

  constructor(limits: DnsProxyLimits) {
    this.#limits = limits;
  }

  /** The client that a datagram is from. `sockaddr` is copied. */
  get(family: Family, sockaddr: Buffer): Client {
    const [from, to] = addressRange(family);
    const key = sockaddr.toString("latin1", from, to);
    const known = this.#clients.get(key);
    if (known) return known;
    const client: Client = {
      ...newTaker(key),
      family,
      address: addressText(sockaddr.subarray(from, to)),
      sockaddr: Uint8Array.from(sockaddr.subarray(0, family === 4 ? 16 : 28)),
      routes: new Map(),
      pending: 0,
      sockets: 0,
    };
    this.#clients.set(key, client);
    return client;
  }

  /** The way to a server. `sockaddr` is copied. */
  routeOf(client: Client, sockaddr: Buffer): Route {
    const [from, to] = addressRange(client.family);
    const key = sockaddr.toString("latin1", 2, to);
    const known = client.routes.get(key);
    if (known) return known;
    if (client.routes.size >= maxRoutes)
      for (const [other, { upstream }] of client.routes) if (!upstream) client.routes.delete(other);
    const route: Route = {
      key,
      server: Uint8Array.from(sockaddr.subarray(0, client.family === 4 ? 16 : 28)),
      serverEnd: {
        address: addressText(sockaddr.subarray(from, to)),
        port: sockaddr.readUInt16BE(2),
      },
      upstream: undefined,
    };
    client.routes.set(key, route);
    return route;
  }

  mayAsk(client: Client): boolean {
    const { maxPending, maxPendingPerClient } = this.#limits;
    return this.pending < maxPending && client.pending < maxPendingPerClient;
  }

  mayOpen(client: Client): boolean {
    const { maxUpstreamSockets } = this.#limits;
    const share = Math.max(1, Math.floor(maxUpstreamSockets / socketShare));
    return this.sockets < maxUpstreamSockets && client.sockets < share;
  }

  /** Forgets who has nothing left here. */
  sweep(): void {
    for (const [key, client] of this.#clients) {
      if (client.pending === 0 && client.sockets === 0) this.#clients.delete(key);
      else
        for (const [other, { upstream }] of client.routes)
          if (!upstream) client.routes.delete(other);
    }
  }
}

/** Where the address is in a sockaddr. */
function addressRange(family: Family): readonly [number, number] {
  return family === 4 ? range4 : range6;
}

const range4 = [4, 8] as const;
const range6 = [8, 24] as const;
