// gRPC over node:http2, server and client. Errors of both sides are ConnectErrors.
export { Code, ConnectError, type ConnectRouter, createClient } from "@connectrpc/connect";
export { parseServerAddress, type ServerAddress } from "./address.ts";
export type { TlsFiles } from "./certificates.ts";
export { type ClientOptions, connectTo, type GrpcClient } from "./client.ts";
export type { ClientTls } from "./dial.ts";
export { Health } from "./health.ts";
export type { SocketOptions } from "./listener.ts";
export type { ServerStream } from "./server-stream.ts";
export {
  type Address,
  type GrpcServer,
  type Limits,
  type ServeOptions,
  serveGrpc,
  type ServerIncident,
} from "./server.ts";
export { stream, type StreamRoute } from "./stream-route.ts";
