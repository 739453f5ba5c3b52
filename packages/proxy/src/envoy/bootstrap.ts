// What Envoy is started with: where the agent's socket is, and nothing of policy. Holds no secrets.
import { create, createRegistry, toJsonString } from "@bufbuild/protobuf";
import type { Direction } from "@tsilium/policy/model.ts";
import { BootstrapSchema } from "./gen/envoy/config/bootstrap/v3/bootstrap_pb.ts";
import { Cluster_DiscoveryType } from "./gen/envoy/config/cluster/v3/cluster_pb.ts";
import {
  ApiConfigSource_ApiType,
  ApiVersion,
} from "./gen/envoy/config/core/v3/config_source_pb.ts";
import { DownstreamConnectionsConfigSchema } from "./gen/envoy/extensions/resource_monitors/downstream_connections/v3/downstream_connections_pb.ts";
import { HttpProtocolOptionsSchema } from "./gen/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.ts";
import { pack } from "./resources/any.ts";
import { httpProtocolOptions } from "./resources/clusters.ts";
import { agentCluster } from "./resources/names.ts";
import { ads } from "./resources/sources.ts";

export type BootstrapOptions = {
  readonly direction: Direction;
  readonly node: string;
  /** The agent's socket. */
  readonly socket: string;
  readonly maxConnections: number;
};

const registry = createRegistry(HttpProtocolOptionsSchema, DownstreamConnectionsConfigSchema);

/**
 * Envoy's bootstrap as JSON. There is no admin interface: it would show Secrets to whoever may open it, and everything that
 * is asked of it is told over xDS.
 */
export function bootstrap({ direction, node, socket, maxConnections }: BootstrapOptions): string {
  const message = create(BootstrapSchema, {
    node: { id: `${node}~${direction}`, cluster: `tsilium-${direction}` },
    dynamicResources: {
      adsConfig: {
        apiType: ApiConfigSource_ApiType.GRPC,
        transportApiVersion: ApiVersion.V3,
        grpcServices: [
          { targetSpecifier: { case: "envoyGrpc", value: { clusterName: agentCluster } } },
        ],
        setNodeOnFirstMessageOnly: true,
      },
      ldsConfig: ads,
      cdsConfig: ads,
    },
    staticResources: {
      clusters: [
        {
          name: agentCluster,
          clusterDiscoveryType: { case: "type", value: Cluster_DiscoveryType.STATIC },
          connectTimeout: { seconds: 1n },
          typedExtensionProtocolOptions: {
            [httpProtocolOptions]: pack(HttpProtocolOptionsSchema, {
              upstreamProtocolOptions: {
                case: "explicitHttpConfig",
                value: { protocolConfig: { case: "http2ProtocolOptions", value: {} } },
              },
            }),
          },
          loadAssignment: {
            clusterName: agentCluster,
            endpoints: [
              {
                lbEndpoints: [
                  {
                    hostIdentifier: {
                      case: "endpoint",
                      value: { address: { address: { case: "pipe", value: { path: socket } } } },
                    },
                  },
                ],
              },
            ],
          },
        },
      ],
    },
    layeredRuntime: {
      layers: [
        {
          name: "tsilium",
          layerSpecifier: {
            case: "staticLayer",
            // Admission bounds expressions of policies; Envoy's own bound (100) is below what Cilium's examples need.
            value: { "re2.max_program_size.error_level": 1_000_000 },
          },
        },
      ],
    },
    overloadManager: {
      resourceMonitors: [
        {
          name: "envoy.resource_monitors.global_downstream_max_connections",
          configType: {
            case: "typedConfig",
            value: pack(DownstreamConnectionsConfigSchema, {
              maxActiveDownstreamConnections: BigInt(maxConnections),
            }),
          },
        },
      ],
    },
  });
  return `${toJsonString(BootstrapSchema, message, { registry, prettySpaces: 2 })}\n`;
}
