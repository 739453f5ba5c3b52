// The kinds of resources that are served.
const prefix = "type.googleapis.com/";

/** As requests and answers name them. */
export const typeUrls = {
  clusters: `${prefix}envoy.config.cluster.v3.Cluster`,
  endpoints: `${prefix}envoy.config.endpoint.v3.ClusterLoadAssignment`,
  secrets: `${prefix}envoy.extensions.transport_sockets.tls.v3.Secret`,
  routes: `${prefix}envoy.config.route.v3.RouteConfiguration`,
  listeners: `${prefix}envoy.config.listener.v3.Listener`,
} as const;

export type Kind = keyof typeof typeUrls;
export const kinds = Object.keys(typeUrls) as readonly Kind[];

const byUrl = new Map<string, Kind>(kinds.map((kind) => [typeUrls[kind], kind]));

/** undefined: not served. */
export const kindOf = (typeUrl: string): Kind | undefined => byUrl.get(typeUrl);

/** Of these a client that names none wants all, and takes what an answer lacks for gone. */
export const wholesale: ReadonlySet<Kind> = new Set(["clusters", "listeners"]);
