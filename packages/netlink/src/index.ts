// rtnetlink without iproute2: synchronous calls over one socket per network namespace, pure codecs beneath.
export type { InterfaceAddress } from "./address-codec.ts";
export type { AddressSpec } from "./addresses.ts";
export type { DeviceRef } from "./device.ts";
export { NetlinkError } from "./errors.ts";
export type { AddrGenMode, Link, LinkAttributes } from "./link-codec.ts";
export type { BridgeOptions, LinkKind, PeerAttributes, VxlanOptions } from "./link-kind.ts";
export type { LinkChange, LinkSpec } from "./links.ts";
export { monitor, type RtnlEvent, type MonitorOptions } from "./monitor.ts";
export type { Neighbour, NeighbourState } from "./neighbour-codec.ts";
export type { NeighbourSpec } from "./neighbours.ts";
export type { Qdisc } from "./qdiscs.ts";
export { localTable, mainTable, routeProtocol, type Route, type RouteType } from "./route-codec.ts";
export type { RouteFilter, RouteSpec } from "./routes.ts";
export { Rtnl, type OpenOptions, type RtnlBatch } from "./rtnl.ts";
export type { Rule } from "./rule-codec.ts";
export type { RuleSpec } from "./rules.ts";
export type { Scope } from "./scope.ts";
