// Routes (struct rtmsg and RTA_* attributes; linux/rtnetlink.h), both directions. Pure.
import { Address, Prefix, type Family } from "@tsilium/net";
import { AF_INET, AF_INET6 } from "@tsilium/syscall";
import { address, AttributeWriter, readAttributes, u32, type Attributes } from "./attributes.ts";
import { scopeName, scopeNumber, type Scope } from "./scope.ts";

const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_PRIORITY = 6;
const RTA_PREFSRC = 7;
const RTA_METRICS = 8;
const RTA_TABLE = 15;
const RTA_VIA = 18;
const RTAX_MTU = 2;
const RTNH_F_ONLINK = 4;
const RT_TABLE_COMPAT = 252;

/** The table ip-route(8) means when none is named. */
export const mainTable = 254;
/** The kernel's own table of this host's addresses. */
export const localTable = 255;

/** What a route does with packets (RTN_*). */
export type RouteType =
  | "unspecified"
  | "unicast"
  | "local"
  | "broadcast"
  | "anycast"
  | "multicast"
  | "blackhole"
  | "unreachable"
  | "prohibit"
  | "throw"
  | "nat";
/** Index is RTN_*. */
const routeTypes: readonly RouteType[] = [
  "unspecified",
  "unicast",
  "local",
  "broadcast",
  "anycast",
  "multicast",
  "blackhole",
  "unreachable",
  "prohibit",
  "throw",
  "nat",
];

/** Who made a route (RTPROT_*): the kernel ignores it, people and daemons go by it. */
export const routeProtocol = { kernel: 2, boot: 3, static: 4 } as const;

export type Route = {
  readonly destination: Prefix;
  readonly gateway?: Address;
  /** Index of the outgoing interface. */
  readonly device?: number;
  /** Source address the host prefers towards this destination. */
  readonly source?: Address;
  /** Path MTU, bytes. */
  readonly mtu?: number;
  readonly table: number;
  readonly scope: Scope;
  readonly type: RouteType;
  readonly protocol: number;
  /** The lower wins; the kernel makes 1024 of an absent one in IPv6. */
  readonly priority?: number;
  /** The gateway is reachable on the device although no route says so. */
  readonly onlink: boolean;
};

/** Payload of RTM_NEWROUTE and RTM_DELROUTE. */
export function encodeRoute(route: Route): Uint8Array {
  const { destination, gateway, mtu, table } = route;
  const writer = new AttributeWriter(routeHeader({ ...route, family: destination.family }))
    .address(RTA_DST, destination.length > 0 ? destination.address : undefined)
    .u32(RTA_TABLE, table)
    .u32(RTA_OIF, route.device)
    .u32(RTA_PRIORITY, route.priority)
    .address(RTA_PREFSRC, route.source);
  if (gateway?.family === destination.family) writer.address(RTA_GATEWAY, gateway);
  else if (gateway) writer.raw(RTA_VIA, encodeVia(gateway));
  if (mtu !== undefined) writer.nested(RTA_METRICS, (metrics) => metrics.u32(RTAX_MTU, mtu));
  return writer.bytes();
}

/** struct rtvia: the family as u16, then the address; a gateway of the other family. */
function encodeVia(gateway: Address): Uint8Array {
  const family = gateway.family === 4 ? AF_INET : AF_INET6;
  return Uint8Array.of(family, 0, ...gateway.bytes);
}

type HeaderFacts = Partial<
  Pick<Route, "destination" | "table" | "scope" | "type" | "protocol" | "onlink">
> & {
  readonly family?: Family;
};

/** struct rtmsg alone: the filter of a dump, or the start of a route. */
function routeHeader(facts: HeaderFacts): Uint8Array {
  const { family, destination, table = 0, scope, type, protocol = 0, onlink } = facts;
  const bytes = Uint8Array.of(
    family === undefined ? 0 : family === 4 ? AF_INET : AF_INET6,
    destination?.length ?? 0,
    0,
    0,
    table > 255 ? RT_TABLE_COMPAT : table,
    protocol,
    scopeNumber(scope ?? "universe"),
    type === undefined ? 0 : routeTypes.indexOf(type),
    0,
    0,
    0,
    0,
  );
  new DataView(bytes.buffer).setUint32(8, onlink ? RTNH_F_ONLINK : 0, true);
  return bytes;
}

/** Payload of a dump request: only routes of this family, table and device, as far as given. */
export function encodeRouteFilter(filter: {
  readonly family?: Family;
  readonly table?: number;
  readonly device?: number;
}): Uint8Array {
  return new AttributeWriter(routeHeader({ ...filter }))
    .u32(RTA_TABLE, filter.table)
    .u32(RTA_OIF, filter.device)
    .bytes();
}

/** Payload of a request for the route to one address. */
export function encodeRouteLookup(destination: Address): Uint8Array {
  const host = Prefix.host(destination);
  return new AttributeWriter(routeHeader({ family: destination.family, destination: host }))
    .address(RTA_DST, destination)
    .bytes();
}

/** Reads RTM_NEWROUTE and RTM_DELROUTE of IPv4 and IPv6; undefined for anything else. */
export function decodeRoute(payload: Uint8Array): Route | undefined {
  if (payload.length < 12) return undefined;
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const attributes = readAttributes(payload.subarray(12));
  const destination = readDestination(view, attributes);
  if (!destination) return undefined;
  const optional = {
    gateway: address(attributes.get(RTA_GATEWAY)) ?? address(attributes.get(RTA_VIA)?.subarray(2)),
    device: u32(attributes.get(RTA_OIF)),
    source: address(attributes.get(RTA_PREFSRC)),
    mtu: u32(readAttributes(attributes.get(RTA_METRICS)).get(RTAX_MTU)),
    priority: u32(attributes.get(RTA_PRIORITY)),
  };
  return {
    destination,
    table: u32(attributes.get(RTA_TABLE)) ?? view.getUint8(4),
    protocol: view.getUint8(5),
    scope: scopeName(view.getUint8(6)),
    type: routeTypes[view.getUint8(7)] ?? "unspecified",
    onlink: (view.getUint32(8, true) & RTNH_F_ONLINK) !== 0,
    ...withoutUndefined(optional),
  };
}

function readDestination(view: DataView, attributes: Attributes): Prefix | undefined {
  const family = view.getUint8(0);
  if (family !== AF_INET && family !== AF_INET6) return undefined;
  const any = Address.fromBytes(new Uint8Array(family === AF_INET ? 4 : 16));
  const network = address(attributes.get(RTA_DST)) ?? any;
  const length = view.getUint8(1);
  if (network.family !== any.family || length > any.bytes.length * 8) return undefined;
  return Prefix.of(network, length, { mask: true });
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** The same without the keys whose value is undefined, so that rows compare equal however they were made. */
export function withoutUndefined<T extends object>(facts: T): Defined<T> {
  return Object.fromEntries(
    Object.entries(facts).filter(([, value]) => value !== undefined),
  ) as Defined<T>;
}
