// Hubble: what a flow is, which flows are wanted, and the server of a node. Other parts have entries of their own:
// codec/ (bytes and JSON), grpc/ (servers and clients), history/ (the store), relay/, metrics/, exporter/.
export * from "./model.ts";
export {
  compileFilter,
  compileFilters,
  type Condition,
  FilterError,
  type FilterLists,
  matchAll,
} from "./filter/index.ts";
export {
  type FlowsQuery,
  flowsQuery,
  type HubblePeer,
  HubblePeers,
  hubbleServerName,
  isLost,
  isProtected,
  type ObservedEvent,
  Observer,
  type ObserverOptions,
  observerRoutes,
  type ObserverStatus,
  type PeerChange,
  peerRoutes,
  type ServerDescription,
  type ServiceRoutes,
} from "./observer/index.ts";
