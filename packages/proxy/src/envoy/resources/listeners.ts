// Listeners (LDS). Connections get here by socket assignment alone: the socket's own address is the server's as the
// client asked for it, and so is what original_dst finds.
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { StringValueSchema } from "@bufbuild/protobuf/wkt";
import type { Direction } from "@tsilium/policy/model.ts";
import type { TransportSocketSchema } from "../gen/envoy/config/core/v3/base_pb.ts";
import { TrafficDirection } from "../gen/envoy/config/core/v3/base_pb.ts";
import { type Listener, ListenerSchema } from "../gen/envoy/config/listener/v3/listener_pb.ts";
import type {
  FilterChainSchema,
  FilterSchema,
  ListenerFilterSchema,
} from "../gen/envoy/config/listener/v3/listener_components_pb.ts";
import { OriginalDstSchema } from "../gen/envoy/extensions/filters/listener/original_dst/v3/original_dst_pb.ts";
import { OriginalSrcSchema } from "../gen/envoy/extensions/filters/listener/original_src/v3/original_src_pb.ts";
import { TlsInspectorSchema } from "../gen/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector_pb.ts";
import { ConfigSchema as DirectResponseSchema } from "../gen/envoy/extensions/filters/network/direct_response/v3/config_pb.ts";
import { TcpProxySchema } from "../gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.ts";
import {
  DestinationIPInputSchema,
  ServerNameInputSchema,
} from "../gen/envoy/extensions/matching/common_inputs/network/v3/network_inputs_pb.ts";
import type {
  Matcher_MatcherList_FieldMatcherSchema,
  Matcher_MatcherList_PredicateSchema,
  Matcher_OnMatchSchema,
} from "../gen/xds/type/matcher/v3/matcher_pb.ts";
import type { StringMatcherSchema } from "../gen/xds/type/matcher/v3/string_pb.ts";
import { pack } from "./any.ts";
import { connectionManager } from "./connection-manager.ts";
import { originalCluster } from "./names.ts";
import { serverNameRegex } from "./server-names.ts";
import { accessLog } from "./sources.ts";

type FilterChain = MessageInitShape<typeof FilterChainSchema>;
type Filter = MessageInitShape<typeof FilterSchema>;
type ListenerFilter = MessageInitShape<typeof ListenerFilterSchema>;
type FieldMatcher = MessageInitShape<typeof Matcher_MatcherList_FieldMatcherSchema>;
type Predicate = MessageInitShape<typeof Matcher_MatcherList_PredicateSchema>;
type OnMatch = MessageInitShape<typeof Matcher_OnMatchSchema>;

export type ListenerOptions = {
  readonly name: string;
  readonly port: number;
  readonly direction: Direction;
  readonly serves:
    | {
        readonly kind: "http";
        /** A rule is about hosts: the connection's own port is no part of them. */
        readonly hosts: boolean;
        readonly tls: MessageInitShape<typeof TransportSocketSchema> | undefined;
        /** undefined: any, or none. */
        readonly serverNames: readonly string[] | undefined;
      }
    /** TLS that is passed on as it is. */
    | { readonly kind: "sni"; readonly serverNames: readonly string[]; readonly audit: boolean }
    /** Closes every connection. */
    | { readonly kind: "nothing" };
};

export function listenerOf(options: ListenerOptions): Listener {
  const { name, port, direction, serves } = options;
  const inspects =
    serves.kind === "sni" ||
    (serves.kind === "http" && (serves.tls !== undefined || serves.serverNames !== undefined));
  return create(ListenerSchema, {
    name,
    statPrefix: name.replace("/", "_"),
    trafficDirection: direction === "egress" ? TrafficDirection.OUTBOUND : TrafficDirection.INBOUND,
    address: socketAddress("127.0.0.1", port),
    additionalAddresses: [{ address: socketAddress("::1", port) }],
    transparent: true,
    freebind: false,
    // The kernel assigns packets to a socket, not to a group of them (refused before Linux 6.6).
    enableReusePort: false,
    listenerFilters: listenerFilters(inspects),
    // For clients that say nothing.
    listenerFiltersTimeout: { seconds: 10n },
    // 32 KiB of each direction of a connection are held back at the most.
    perConnectionBufferLimitBytes: 32_768,
    filterChainMatcher: {
      matcherType: {
        case: "matcherList",
        value: { matchers: [toLoopback, ...byServerName(options)] },
      },
      onNoMatch: chain(otherwise(options)),
    },
    filterChains: [refuse, ...chains(options)],
    // Of connections as such; requests have a log of their own.
    accessLog: serves.kind === "sni" ? [accessLog("tcp", name)] : [],
  });
}

function socketAddress(address: string, port: number) {
  return {
    address: {
      case: "socketAddress",
      value: { address, portSpecifier: { case: "portValue", value: port } },
    },
  } as const;
}

function listenerFilters(inspects: boolean): ListenerFilter[] {
  const filter = (name: string, value: ReturnType<typeof pack>): ListenerFilter => ({
    name: `envoy.filters.listener.${name}`,
    configType: { case: "typedConfig", value },
  });
  return [
    filter("original_dst", pack(OriginalDstSchema, {})),
    // Connections to the server come from the client's address; the mark is set by the cgroup's hook.
    filter("original_src", pack(OriginalSrcSchema, {})),
    ...(inspects ? [filter("tls_inspector", pack(TlsInspectorSchema, {}))] : []),
  ];
}

const refuse: FilterChain = {
  name: "refuse",
  filters: [filter("direct_response", pack(DirectResponseSchema, {}))],
};

function chains({ name, serves }: ListenerOptions): FilterChain[] {
  switch (serves.kind) {
    case "nothing":
      return [];
    case "sni": {
      const proxy = pack(TcpProxySchema, {
        statPrefix: name.replace("/", "_"),
        clusterSpecifier: { case: "cluster", value: originalCluster },
      });
      return [{ name: "pass", filters: [filter("tcp_proxy", proxy)] }];
    }
    case "http":
      return [
        {
          name: "http",
          filters: [filter("http_connection_manager", connectionManager(name, serves.hosts))],
          ...(serves.tls
            ? { transportSocket: serves.tls, transportSocketConnectTimeout: { seconds: 10n } }
            : {}),
        },
      ];
  }
}

function filter(name: string, value: ReturnType<typeof pack>): Filter {
  return { name: `envoy.filters.network.${name}`, configType: { case: "typedConfig", value } };
}

/** Who connects to the listener itself asks for nobody: Envoy would connect to itself, and again. */
const toLoopback: FieldMatcher = {
  predicate: {
    matchType: {
      case: "orMatcher",
      value: {
        predicate: [
          predicate("destination", pack(DestinationIPInputSchema, {}), {
            case: "prefix",
            value: "127.",
          }),
          predicate("destination", pack(DestinationIPInputSchema, {}), {
            case: "exact",
            value: "::1",
          }),
        ],
      },
    },
  },
  onMatch: chain("refuse"),
};

function byServerName({ serves }: ListenerOptions): FieldMatcher[] {
  if (serves.kind === "nothing" || serves.serverNames === undefined) return [];
  const onMatch = chain(serves.kind === "sni" ? "pass" : "http");
  return [...new Set(serves.serverNames.map(serverNameRegex))].map((regex) => ({
    predicate: predicate("server-name", pack(ServerNameInputSchema, {}), {
      case: "safeRegex",
      value: { engineType: { case: "googleRe2", value: {} }, regex },
    }),
    onMatch,
  }));
}

function otherwise({ serves }: ListenerOptions): string {
  if (serves.kind === "http" && serves.serverNames === undefined) return "http";
  return serves.kind === "sni" && serves.audit ? "pass" : "refuse";
}

function predicate(
  name: string,
  input: ReturnType<typeof pack>,
  matchPattern: MessageInitShape<typeof StringMatcherSchema>["matchPattern"] & {},
): Predicate {
  return {
    matchType: {
      case: "singlePredicate",
      value: {
        input: { name, typedConfig: input },
        matcher: { case: "valueMatch", value: { matchPattern } },
      },
    },
  };
}

function chain(name: string): OnMatch {
  return {
    onMatch: {
      case: "action",
      value: { name, typedConfig: pack(StringValueSchema, { value: name }) },
    },
  };
}
