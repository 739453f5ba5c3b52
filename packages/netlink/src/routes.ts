// Routes: list, add, replace, delete, and the kernel's own answer to "which way to".
import type { Address, Family } from "@tsilium/net";
import type { Changes, Connection } from "./connection.ts";
import { resolve, type DeviceRef } from "./device.ts";
import { NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE } from "./message.ts";
import {
  decodeRoute,
  encodeRoute,
  encodeRouteFilter,
  encodeRouteLookup,
  mainTable,
  routeProtocol,
  type Route,
} from "./route-codec.ts";
import type { Scope } from "./scope.ts";
import { RTM_DELROUTE, RTM_GETROUTE, RTM_NEWROUTE } from "./types.ts";

/** A route to install. Absent: table main, type unicast, protocol boot, the scope ip-route(8) would choose. */
export type RouteSpec = Pick<Route, "destination"> &
  Partial<Omit<Route, "destination" | "device">> & {
    /** May be left out when a route to the gateway tells it. */
    readonly device?: DeviceRef;
  };

/** The changing half, which batches have as well. */
export class RouteChanges {
  readonly #connection: Connection;
  readonly #changes: Changes;

  constructor(connection: Connection, changes: Changes) {
    this.#connection = connection;
    this.#changes = changes;
  }

  /** @throws NetlinkError EEXIST for a route of the same destination, table and priority; ENETUNREACH for a gateway out of reach */
  add(spec: RouteSpec): void {
    this.#write("add", spec, NLM_F_CREATE | NLM_F_EXCL);
  }

  /** Adds, or puts in the place of the route with the same destination, table and priority. */
  replace(spec: RouteSpec): void {
    this.#write("replace", spec, NLM_F_CREATE | NLM_F_REPLACE);
  }

  /** Deletes the first route that agrees with everything given; false when there is none (or no such device). */
  delete(spec: RouteSpec): boolean {
    const { type = "unspecified", protocol = 0, scope = "nowhere" } = spec;
    return this.#changes.change({
      type: RTM_DELROUTE,
      payload: encodeRoute(this.#row({ ...spec, type, protocol, scope })),
      about: `delete route ${describe(spec)}`,
      // ENOENT: IPv6's word for a default route that is not there (ip6_del_rt meets the table's null entry).
      already: ["ESRCH", "ENOENT", "ENODEV"],
    });
  }

  #write(verb: string, spec: RouteSpec, flags: number): void {
    const payload = encodeRoute(this.#row(spec));
    this.#changes.change({
      type: RTM_NEWROUTE,
      flags,
      payload,
      about: `${verb} route ${describe(spec)}`,
    });
  }

  #row(spec: RouteSpec): Route {
    const { device, ...rest } = spec;
    return {
      table: mainTable,
      type: "unicast",
      protocol: routeProtocol.boot,
      onlink: false,
      scope: defaultScope(spec),
      ...rest,
      ...(device === undefined ? {} : { device: resolve(this.#connection, device) }),
    };
  }
}

export type RouteFilter = {
  readonly family?: Family;
  readonly table?: number;
  readonly device?: DeviceRef;
};

/** The routes of one network namespace. */
export class Routes extends RouteChanges {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    super(connection, connection);
    this.#connection = connection;
  }

  /** Every route that agrees with the filter; none of a table that was never used. */
  list(filter: RouteFilter = {}): Route[] {
    const { device, family } = filter;
    if (family === undefined)
      return ([4, 6] as const).flatMap((each) => this.list({ ...filter, family: each }));
    const index = device === undefined ? {} : { device: resolve(this.#connection, device) };
    return this.#connection
      .dump({
        type: RTM_GETROUTE,
        payload: encodeRouteFilter({ ...filter, ...index } as Parameters<
          typeof encodeRouteFilter
        >[0]),
        about: "list routes",
        already: ["ENOENT"],
      })
      .map(({ payload }) => decodeRoute(payload))
      .filter((route) => route !== undefined);
  }

  /** The route the kernel would take to `destination` now; undefined when it has none. */
  lookup(destination: Address): Route | undefined {
    const message = this.#connection.query({
      type: RTM_GETROUTE,
      payload: encodeRouteLookup(destination),
      about: `look up route to ${destination}`,
      already: ["ENETUNREACH", "EHOSTUNREACH"],
    });
    return message && decodeRoute(message.payload);
  }
}

/** As ip-route(8) chooses: what is directly attached has link scope, the host's own addresses host scope. IPv6 ignores it. */
function defaultScope({ type = "unicast", gateway, destination }: RouteSpec): Scope {
  if (destination.family === 6) return "universe";
  if (type === "local" || type === "nat") return "host";
  if (type === "unicast") return gateway ? "universe" : "link";
  return type === "broadcast" || type === "multicast" || type === "anycast" ? "link" : "universe";
}

const describe = ({ destination, gateway, device, table }: RouteSpec) =>
  [destination, gateway && `via ${gateway}`, device && `on ${device}`, table && `in table ${table}`]
    .filter(Boolean)
    .join(" ");
