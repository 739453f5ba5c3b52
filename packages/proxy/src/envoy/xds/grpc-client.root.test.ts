// The ADS server against gRPC's own xDS client (@grpc/grpc-js-xds), which shares nothing with ours: calls of a real client
// find a real server by what is served here. In a process of its own: the client keeps its state for the process.
//
//   grpc-js client --xds:///greeter--> LDS, RDS, CDS, EDS from XdsServer (unix socket) --> backend A or B
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  Client,
  credentials,
  type handleUnaryCall,
  Server,
  ServerCredentials,
} from "@grpc/grpc-js";
import {
  Cluster_DiscoveryType,
  Cluster_LbPolicy,
  ClusterSchema,
} from "../gen/envoy/config/cluster/v3/cluster_pb.ts";
import { ClusterLoadAssignmentSchema } from "../gen/envoy/config/endpoint/v3/endpoint_pb.ts";
import { ListenerSchema } from "../gen/envoy/config/listener/v3/listener_pb.ts";
import { RouteConfigurationSchema } from "../gen/envoy/config/route/v3/route_pb.ts";
import { RouterSchema } from "../gen/envoy/extensions/filters/http/router/v3/router_pb.ts";
import { HttpConnectionManagerSchema } from "../gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts";
import { pack } from "../resources/any.ts";
import { originalDestination } from "../resources/clusters.ts";
import { ads as fromAds } from "../resources/sources.ts";
import { setOf } from "../testing/sets.ts";
import { Ads, type AdsEvent } from "./ads.ts";
import type { Kind } from "./kinds.ts";
import { XdsServer } from "./server.ts";

// The client leaves its failover timers of 10 s behind, which would keep this process that long.
const { setTimeout: startTimer } = globalThis;
globalThis.setTimeout = ((run: (...args: unknown[]) => void, ms?: number, ...args: unknown[]) => {
  const timer = startTimer(() => run(...args), ms);
  return ms === 10_000 ? timer.unref() : timer;
}) as typeof setTimeout;

const folder = mkdtempSync(join(tmpdir(), "tsilium-xds-"));
const path = join(folder, "envoy.sock");
const backends: Server[] = [];
const ports: Record<string, number> = {};
const ads = new Ads();
const events: AdsEvent[] = [];
ads.on((event) => events.push(event));
let server: XdsServer;
let client: Client;

before(async () => {
  const bootstrap = JSON.stringify({
    xds_servers: [
      {
        server_uri: `unix://${path}`,
        channel_creds: [{ type: "insecure" }],
        server_features: ["xds_v3"],
      },
    ],
    node: { id: "node-1~egress", cluster: "tsilium-egress", locality: {} },
  });
  const { register } = await import("@grpc/grpc-js-xds");
  register();
  for (const name of ["a", "b"]) ports[name] = await backend(name);
  server = await XdsServer.listen({ path, ads });
  serve("a");
  client = new Client("xds:///greeter", credentials.createInsecure(), {
    // This client's, instead of the process's.
    "grpc.TEST_ONLY_DO_NOT_USE_IN_PROD.xds_bootstrap_config": bootstrap,
  });
});

after(async () => {
  client.close();
  for (const each of backends) each.forceShutdown();
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

/** A gRPC server that answers with its name. */
async function backend(name: string): Promise<number> {
  const grpc = new Server();
  const bytes = (value: Buffer) => value;
  const greet: handleUnaryCall<Buffer, Buffer> = (_call, answer) => answer(null, Buffer.from(name));
  grpc.addService(
    {
      greet: {
        path: "/test.Greeter/Greet",
        requestStream: false,
        responseStream: false,
        requestSerialize: bytes,
        requestDeserialize: bytes,
        responseSerialize: bytes,
        responseDeserialize: bytes,
      },
    },
    { greet },
  );
  backends.push(grpc);
  return new Promise((resolve, reject) => {
    grpc.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) =>
      error ? reject(error) : resolve(port),
    );
  });
}

function greet(): Promise<string> {
  const bytes = (value: Buffer) => value;
  const deadline = Date.now() + 5_000;
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      "/test.Greeter/Greet",
      bytes,
      bytes,
      Buffer.from("hi"),
      { deadline },
      (error, value) => (error ? reject(error) : resolve(String(value))),
    );
  });
}

function serve(backendName: string, into: Ads = ads): void {
  into.set("clusters", setOf(ClusterSchema, [cluster("a"), cluster("b")]));
  into.set("endpoints", setOf(ClusterLoadAssignmentSchema, [endpoints("a"), endpoints("b")]));
  into.set("routes", setOf(RouteConfigurationSchema, [routes(backendName)]));
  into.set("listeners", setOf(ListenerSchema, [listener]));
}

const listener: MessageInitShape<typeof ListenerSchema> = {
  name: "greeter",
  apiListener: {
    apiListener: pack(HttpConnectionManagerSchema, {
      routeSpecifier: {
        case: "rds",
        value: { configSource: fromAds, routeConfigName: "http/10001" },
      },
      httpFilters: [
        { name: "router", configType: { case: "typedConfig", value: pack(RouterSchema, {}) } },
      ],
    }),
  },
};

const routes = (name: string): MessageInitShape<typeof RouteConfigurationSchema> => ({
  name: "http/10001",
  virtualHosts: [
    {
      name: "all",
      domains: ["*"],
      routes: [
        {
          match: { pathSpecifier: { case: "prefix", value: "" } },
          action: { case: "route", value: { clusterSpecifier: { case: "cluster", value: name } } },
        },
      ],
    },
  ],
});

const cluster = (name: string): MessageInitShape<typeof ClusterSchema> => ({
  name,
  clusterDiscoveryType: { case: "type", value: Cluster_DiscoveryType.EDS },
  edsClusterConfig: { edsConfig: fromAds, serviceName: name },
  lbPolicy: Cluster_LbPolicy.ROUND_ROBIN,
});

const endpoints = (name: string): MessageInitShape<typeof ClusterLoadAssignmentSchema> => ({
  clusterName: name,
  endpoints: [
    {
      locality: { region: "lab" },
      loadBalancingWeight: 1,
      lbEndpoints: [
        {
          hostIdentifier: {
            case: "endpoint",
            value: {
              address: {
                address: {
                  case: "socketAddress",
                  value: {
                    address: "127.0.0.1",
                    portSpecifier: { case: "portValue", value: ports[name] ?? 0 },
                  },
                },
              },
            },
          },
        },
      ],
    },
  ],
});

/** Resolves when the client has acknowledged what is served of a kind. */
async function acknowledged(of: Kind, since: number): Promise<void> {
  const deadline = Date.now() + 5_000;
  const found = () => events.slice(since).some((event) => event.kind === "ack" && event.of === of);
  while (!found()) {
    if (Date.now() > deadline) throw new Error(`no acknowledgement of ${of}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test("a gRPC client finds its server by LDS, RDS, CDS and EDS, and acknowledges each", async () => {
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(await greet(), "a");
  assert.equal(ads.node?.id, "node-1~egress");
  assert.deepEqual(
    (["listeners", "routes", "clusters", "endpoints"] as const).map((kind) => [
      kind,
      [...(ads.acknowledged(kind)?.resources.keys() ?? [])],
    ]),
    [
      ["listeners", ["greeter"]],
      ["routes", ["http/10001"]],
      // It asks for what routes name.
      ["clusters", ["a"]],
      ["endpoints", ["a"]],
    ],
  );
});

test("a change of routes holds for the next call after its acknowledgement", async () => {
  for (const name of ["b", "a", "b"]) {
    const since = events.length;
    ads.set("routes", setOf(RouteConfigurationSchema, [routes(name)]));
    await acknowledged("routes", since);
    // The client fetches the cluster that it had dropped before it uses the route.
    let answer = await greet();
    for (let tries = 0; answer !== name && tries < 100; tries++) answer = await greet();
    assert.equal(answer, name);
  }
});

test("what the client cannot use it refuses with a reason, and goes on with what it had", async () => {
  const since = events.length;
  const bad = originalDestination("b");
  ads.set("clusters", setOf(ClusterSchema, [cluster("a"), bad]));
  const deadline = Date.now() + 5_000;
  while (ads.refusal("clusters") === undefined) {
    if (Date.now() > deadline) throw new Error("not refused");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.match(ads.refusal("clusters")?.reason ?? "", /Cluster/);
  assert.deepEqual([...(ads.acknowledged("clusters")?.resources.keys() ?? [])], ["b"]);
  assert.equal(await greet(), "b");
  // The next that it can use is taken, and nothing is held against it.
  ads.set("clusters", setOf(ClusterSchema, [cluster("a"), cluster("b")]));
  await acknowledged("clusters", since);
  assert.equal(ads.refusal("clusters"), undefined);
  assert.equal(await greet(), "b");
});

test("a server that was gone finds the client again, which went on meanwhile", async () => {
  await server[Symbol.asyncDispose]();
  assert.equal(ads.connected, false);
  assert.equal(await greet(), "b");
  // Another agent: it knows nothing of what the one before it served, and says nothing at first.
  const next = new Ads();
  server = await XdsServer.listen({ path, ads: next });
  const deadline = Date.now() + 10_000;
  while (!next.connected) {
    if (Date.now() > deadline) throw new Error("the client did not come back");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.equal(await greet(), "b");
  serve("a", next);
  while (next.acknowledged("routes") === undefined) {
    if (Date.now() > deadline) throw new Error("not acknowledged");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  let answer = await greet();
  for (let tries = 0; answer !== "a" && tries < 100; tries++) answer = await greet();
  assert.equal(answer, "a");
});
