// Stands in for Envoy where its program is not: reads the bootstrap, asks for listeners, clusters, routes and secrets over
// ADS as Envoy does, listens where it is told, refuses what it cannot compile, and writes an access log over ALS. It shares
// nothing with our code: gRPC and Envoy's API are grpc-js's, regular expressions RE2JS's.
//
//   node envoy-peer.ts -c BOOTSTRAP ...    SIGUSR2: logs a request of each listener
//   BOOTSTRAP.state: what it has in force, JSON, written anew at each change
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { Client, type ClientDuplexStream, credentials } from "@grpc/grpc-js";
import { RE2JS } from "re2js";
import { loadUpstream } from "./upstream.ts";

type Json = { [key: string]: any };

const file = process.argv[process.argv.indexOf("-c") + 1] as string;
const bootstrap = JSON.parse(readFileSync(file, "utf8")) as Json;
const agent = bootstrap.staticResources.clusters[0];
const socket = agent.loadAssignment.endpoints[0].lbEndpoints[0].endpoint.address.pipe
  .path as string;

const root = loadUpstream([
  "envoy/service/discovery/v3/discovery.proto",
  "envoy/service/accesslog/v3/als.proto",
  "envoy/config/listener/v3/listener.proto",
  "envoy/config/route/v3/route.proto",
  "envoy/config/cluster/v3/cluster.proto",
  "envoy/extensions/transport_sockets/tls/v3/tls.proto",
  "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.proto",
]);
const types = {
  clusters: "envoy.config.cluster.v3.Cluster",
  listeners: "envoy.config.listener.v3.Listener",
  secrets: "envoy.extensions.transport_sockets.tls.v3.Secret",
  routes: "envoy.config.route.v3.RouteConfiguration",
} as const;
type Kind = keyof typeof types;

/** In force. */
const have: Record<Kind, Map<string, Json>> = {
  clusters: new Map(),
  listeners: new Map(),
  secrets: new Map(),
  routes: new Map(),
};
const versions: Record<string, string> = {};
const wanted: { secrets: string[]; routes: string[] } = { secrets: [], routes: [] };
const servers = new Map<string, Server[]>();
let stream: ClientDuplexStream<Json, Json>;
let nonces: Record<string, string> = {};

function decode(any: Json): Json {
  const type = root.lookupType((any.type_url as string).split("/")[1] as string);
  const value = type.toObject(type.decode(any.value), {
    enums: String,
    longs: String,
    bytes: String,
    defaults: false,
  });
  return unpack(value) as Json;
}

/** Replaces every Any by what is in it. */
function unpack(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(unpack);
  if (value === null || typeof value !== "object") return value;
  const { type_url: url, value: bytes } = value as Json;
  if (typeof url === "string") {
    const type = root.lookup(url.split("/")[1] as string);
    if (!type) return { "@type": url };
    return {
      "@type": url,
      ...decode({ type_url: url, value: Buffer.from(String(bytes ?? ""), "base64") }),
    };
  }
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, unpack(part)]));
}

/** Every value of a key, however deep. */
function all(value: unknown, key: string): any[] {
  if (value === null || typeof value !== "object") return [];
  const own = !Array.isArray(value) && key in value ? [(value as Json)[key]] : [];
  return [...own, ...Object.values(value).flatMap((part) => all(part, key))];
}

const client = new Client(`unix://${socket}`, credentials.createInsecure());

function connect(): void {
  nonces = {};
  const requestType = root.lookupType("envoy.service.discovery.v3.DiscoveryRequest");
  const responseType = root.lookupType("envoy.service.discovery.v3.DiscoveryResponse");
  stream = client.makeBidiStreamRequest(
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources",
    (message: Json) => Buffer.from(requestType.encode(requestType.fromObject(message)).finish()),
    (bytes) => responseType.toObject(responseType.decode(bytes), { defaults: true }) as Json,
  );
  stream.on("data", (response: Json) => receive(response));
  stream.on("error", () => undefined);
  stream.on("status", () => setTimeout(connect, 50));
  ask("clusters", [], {
    ...bootstrap.node,
    user_agent_name: "envoy",
    user_agent_build_version: { version: { major_number: 1, minor_number: 99, patch: 7 } },
  });
  ask("listeners", []);
  for (const kind of ["secrets", "routes"] as const)
    if (wanted[kind].length > 0) ask(kind, wanted[kind]);
}

function ask(kind: Kind, names: readonly string[], node?: Json, error?: string): void {
  stream.write({
    ...(node ? { node } : {}),
    type_url: `type.googleapis.com/${types[kind]}`,
    resource_names: names,
    version_info: versions[kind] ?? "",
    response_nonce: nonces[kind] ?? "",
    ...(error === undefined ? {} : { error_detail: { code: 3, message: error } }),
  });
}

function receive(response: Json): void {
  const kind = (Object.keys(types) as Kind[]).find((one) =>
    response.type_url.endsWith(types[one]),
  ) as Kind;
  nonces[kind] = response.nonce;
  const names = kind === "secrets" || kind === "routes" ? wanted[kind] : [];
  const resources = (response.resources as Json[]).map(decode);
  const errors = resources.flatMap((resource) => {
    const problem = problemOf(resource);
    return problem === undefined
      ? []
      : [`Error adding/updating ${kind} ${resource.name}: ${problem}`];
  });
  if (errors.length > 0) {
    const text = errors.every((error) => error.endsWith(": "))
      ? "something is bad"
      : errors.join("\n");
    return ask(kind, names, undefined, text);
  }
  versions[kind] = response.version_info;
  if (kind === "clusters" || kind === "listeners") have[kind].clear();
  for (const resource of resources) have[kind].set(resource.name, resource);
  ask(kind, names);
  follow();
  void listen();
}

/** As Envoy does when it takes a resource apart. Quotes what it was given, as Envoy may. */
function problemOf(resource: Json): string | undefined {
  for (const regex of all(resource, "regex")) {
    try {
      RE2JS.compile(String(regex));
    } catch {
      // Not all of Envoy's errors say what they are about.
      if (String(regex).includes("unnamed")) return "";
      return `bad regex in ${JSON.stringify(resource)}`.slice(0, 4_000);
    }
  }
  return undefined;
}

/** Subscribes to what resources refer to. */
function follow(): void {
  const both = [...have.listeners.values(), ...have.clusters.values()];
  const routes = [...new Set(all(both, "route_config_name"))].toSorted();
  const secrets = [
    ...new Set(
      [
        ...all(both, "tls_certificate_sds_secret_configs").flat(),
        ...all(both, "validation_context_sds_secret_config"),
      ].map(({ name }) => name as string),
    ),
  ].toSorted();
  for (const [kind, names] of [
    ["routes", routes],
    ["secrets", secrets],
  ] as const) {
    if (JSON.stringify(names) === JSON.stringify(wanted[kind])) continue;
    wanted[kind] = names;
    ask(kind, names);
  }
}

/** Listens where it has all that a listener needs. */
async function listen(): Promise<void> {
  for (const [name, listener] of have.listeners) {
    const needs = [
      ...all(listener, "route_config_name").map((route) => have.routes.has(route)),
      ...all(listener, "tls_certificate_sds_secret_configs")
        .flat()
        .map((secret) => have.secrets.has(secret.name)),
    ];
    if (servers.has(name) || needs.includes(false)) continue;
    const addresses = [
      listener.address,
      ...listener.additional_addresses.map((one: Json) => one.address),
    ];
    servers.set(name, []);
    for (const { socket_address: at } of addresses) {
      const server = createServer((connection) => connection.on("error", () => undefined));
      await new Promise<void>((resolve) =>
        server.listen({ host: at.address, port: at.port_value, ipv6Only: true }, resolve),
      );
      servers.get(name)?.push(server);
    }
  }
  for (const [name, each] of servers) {
    if (have.listeners.has(name)) continue;
    servers.delete(name);
    for (const server of each) server.close();
  }
  const state = Object.fromEntries(
    Object.entries(have).map(([kind, resources]) => [kind, Object.fromEntries(resources)]),
  );
  try {
    writeFileSync(`${file}.new`, JSON.stringify({ pid: process.pid, ...state }));
    renameSync(`${file}.new`, `${file}.state`);
  } catch {
    // As a user that may not: nobody reads it then.
  }
}

process.on("SIGUSR2", () => {
  const messageType = root.lookupType("envoy.service.accesslog.v3.StreamAccessLogsMessage");
  for (const name of have.listeners.keys()) {
    const log = client.makeClientStreamRequest(
      "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs",
      (message: Json) => Buffer.from(messageType.encode(messageType.fromObject(message)).finish()),
      (bytes) => bytes,
      () => undefined,
    );
    const routes = all(have.routes.get(name), "name").filter((route) =>
      /^(rule|deny)\//.test(String(route)),
    );
    const address = (text: string, port: number) => ({
      socket_address: { address: text, port_value: port },
    });
    // The first alone says whose log it is.
    routes.forEach((route, index) => {
      log.write({
        ...(index === 0 ? { identifier: { node: bootstrap.node, log_name: name } } : {}),
        http_logs: {
          log_entry: [
            {
              common_properties: {
                downstream_remote_address: address("10.0.0.5", 40_000),
                downstream_local_address: address("10.0.0.6", 80),
                start_time: { seconds: 1_700_000_000 },
                route_name: route,
              },
              protocol_version: 2,
              request: { request_method: 1, authority: "shop", path: "/a" },
              response: {
                response_code: { value: String(route).startsWith("deny/") ? 403 : 200 },
              },
            },
          ],
        },
      });
    });
    log.end();
  }
});
process.on("SIGTERM", () => process.exit(0));

connect();
