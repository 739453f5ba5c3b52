// A node's Hubble server: its flows in memory and on disk, and who follows them.
export { isLost, isProtected, type ObservedEvent } from "./events.ts";
export { Observer, type ObserverOptions, type ObserverStatus } from "./observer.ts";
export { HubblePeers, type HubblePeer, hubbleServerName, type PeerChange } from "./peers.ts";
export { flowsQuery, type FlowsQuery, type Range, rangeOf } from "./query.ts";
export {
  observerRoutes,
  peerRoutes,
  type ServerDescription,
  type ServiceRoutes,
} from "./routes.ts";
