// How Envoy reads HTTP: paths are made plain before any rule is looked at, what is ambiguous is refused, and nothing that
// the server could see is changed that need not be.
import type { Any } from "@bufbuild/protobuf/wkt";
import { RouterSchema } from "../gen/envoy/extensions/filters/http/router/v3/router_pb.ts";
import {
  HttpConnectionManager_PathWithEscapedSlashesAction as EscapedSlashes,
  HttpConnectionManager_ServerHeaderTransformation as ServerHeader,
  HttpConnectionManagerSchema,
} from "../gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts";
import { pack } from "./any.ts";
import { accessLog, ads } from "./sources.ts";

/** @param hosts whether the connection's own port is taken off Host, for the server too */
export function connectionManager(name: string, hosts: boolean): Any {
  return pack(HttpConnectionManagerSchema, {
    statPrefix: name.replace("/", "_"),
    routeSpecifier: { case: "rds", value: { configSource: ads, routeConfigName: name } },
    normalizePath: true,
    mergeSlashes: true,
    pathWithEscapedSlashesAction: EscapedSlashes.REJECT_REQUEST,
    stripMatchingHostPort: hosts,
    httpProtocolOptions: { acceptHttp10: true, enableTrailers: true },
    http2ProtocolOptions: { maxConcurrentStreams: 256, allowConnect: true },
    upgradeConfigs: [{ upgradeType: "websocket" }],
    // The client is who connects, whatever its headers say; and the server is told nothing of a proxy.
    useRemoteAddress: true,
    skipXffAppend: true,
    generateRequestId: false,
    preserveExternalRequestId: true,
    serverHeaderTransformation: ServerHeader.PASS_THROUGH,
    proxy100Continue: true,
    maxRequestHeadersKb: 60,
    requestHeadersTimeout: { seconds: 10n },
    streamIdleTimeout: { seconds: 3600n },
    commonHttpProtocolOptions: { idleTimeout: { seconds: 3600n } },
    accessLog: [accessLog("http", name)],
    httpFilters: [
      {
        name: "envoy.filters.http.router",
        configType: {
          case: "typedConfig",
          value: pack(RouterSchema, { suppressEnvoyHeaders: true }),
        },
      },
    ],
  });
}
