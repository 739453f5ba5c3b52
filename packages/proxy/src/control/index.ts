// @tsilium/proxy/control/index.ts: what agent and proxies say to each other, over a unix socket.
export {
  ControlClient,
  ControlClosedError,
  type ControlClientOptions,
  type Hello,
  type ListenerUpdate,
} from "./client.ts";
export { maxLineBytes } from "./lines.ts";
export { readListenerRules, type ReceivedToProxy } from "./read-to-proxy.ts";
export { ControlServer, type ControlServerOptions } from "./server.ts";
export { ShapeError } from "./shape.ts";
