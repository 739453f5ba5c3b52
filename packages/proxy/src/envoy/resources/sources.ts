// Where Envoy gets what a resource refers to: all of it over the one stream (ADS), and what it tells over the same socket.
import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  ApiVersion,
  type ConfigSourceSchema,
} from "../gen/envoy/config/core/v3/config_source_pb.ts";
import type { AccessLogSchema } from "../gen/envoy/config/accesslog/v3/accesslog_pb.ts";
import {
  HttpGrpcAccessLogConfigSchema,
  TcpGrpcAccessLogConfigSchema,
} from "../gen/envoy/extensions/access_loggers/grpc/v3/als_pb.ts";
import { pack } from "./any.ts";
import { agentCluster } from "./names.ts";

export const ads: MessageInitShape<typeof ConfigSourceSchema> = {
  configSourceSpecifier: { case: "ads", value: {} },
  resourceApiVersion: ApiVersion.V3,
};

/** Entries go out this late at the most, many at once. */
const flushInterval = { nanos: 100_000_000 };

/** Every request (http) or connection (tcp) of a listener is told to the agent under the listener's name. */
export function accessLog(
  kind: "http" | "tcp",
  logName: string,
): MessageInitShape<typeof AccessLogSchema> {
  const commonConfig = {
    logName,
    grpcService: { targetSpecifier: { case: "envoyGrpc", value: { clusterName: agentCluster } } },
    transportApiVersion: ApiVersion.V3,
    bufferFlushInterval: flushInterval,
  } as const;
  const config =
    kind === "http"
      ? pack(HttpGrpcAccessLogConfigSchema, { commonConfig })
      : pack(TcpGrpcAccessLogConfigSchema, { commonConfig });
  return {
    name: `envoy.access_loggers.${kind}_grpc`,
    configType: { case: "typedConfig", value: config },
  };
}
