// Clusters (CDS): always the server that the client asked, in plain or with a TLS connection of our own.
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  type Cluster,
  Cluster_DiscoveryType,
  Cluster_LbPolicy,
  ClusterSchema,
} from "../gen/envoy/config/cluster/v3/cluster_pb.ts";
import type { TransportSocketSchema } from "../gen/envoy/config/core/v3/base_pb.ts";
import { HttpProtocolOptionsSchema } from "../gen/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.ts";
import { pack } from "./any.ts";

export const httpProtocolOptions = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
/** Envoy's own bounds (1024 at once) are for services; here the bound is on accepted connections. */
const most = 0xffff_ffff;

/** Connects to where the listener's connection was going, from the client's address (the listener's original_src). */
export function originalDestination(
  name: string,
  tls?: MessageInitShape<typeof TransportSocketSchema>,
): Cluster {
  return create(ClusterSchema, {
    name,
    clusterDiscoveryType: { case: "type", value: Cluster_DiscoveryType.ORIGINAL_DST },
    lbPolicy: Cluster_LbPolicy.CLUSTER_PROVIDED,
    connectTimeout: { seconds: 5n },
    circuitBreakers: {
      thresholds: [
        { maxConnections: most, maxPendingRequests: most, maxRequests: most, maxRetries: most },
      ],
    },
    // Servers may know clients by their connection; one is not shared by clients.
    connectionPoolPerDownstreamConnection: true,
    typedExtensionProtocolOptions: {
      [httpProtocolOptions]: pack(HttpProtocolOptionsSchema, {
        // HTTP/2 to the server if and only if the client speaks it; so does the ALPN of `tls`.
        upstreamProtocolOptions: {
          case: "useDownstreamProtocolConfig",
          value: {
            httpProtocolOptions: { enableTrailers: true },
            http2ProtocolOptions: { allowConnect: true },
          },
        },
        // The server's certificate must be for the host that was asked.
        ...(tls ? { upstreamHttpProtocolOptions: { autoSni: true, autoSanValidation: true } } : {}),
      }),
    },
    ...(tls ? { transportSocket: tls } : {}),
  });
}
