// The daemon's part of load balancing, against an API server and in a lab's wires.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type EndpointSlice,
  resources,
  type Service,
  serviceNameLabel,
  type ServiceSpec,
} from "@tsilium/kube";
import { Address } from "@tsilium/net";
import { Rtnl } from "@tsilium/netlink";
import { startTestApi, type TestApi } from "@tsilium/testkit/api-server.ts";
import { labSettings } from "../cluster/settings.ts";
import { layWires } from "../testing/wires.ts";
import { reservedPrefixes } from "./addresses.ts";
import { LoadBalancerRoutes } from "./load-balancer-routes.ts";

const stack = new AsyncDisposableStack();
const { lab, nodes } = stack.use(layWires(2));
const namespace = "default";
const { signal } = new AbortController();
const complaints: string[] = [];
let api: TestApi;
let routes: LoadBalancerRoutes;

before(async () => {
  api = stack.use(await startTestApi());
  const options = {
    client: api.client,
    lab,
    nodes,
    reserved: reservedPrefixes(nodes, labSettings),
    changed: () => undefined,
    log: (message: string) => void complaints.push(message),
  };
  routes = stack.use(new LoadBalancerRoutes(options));
  routes.start();
});
after(async () => {
  await stack.disposeAsync();
  assert.deepEqual(complaints, []);
});
beforeEach(() => routes.nodesAre(new Set(["node-1", "node-2"])));

async function untilRoutes(expected: readonly string[]): Promise<void> {
  const seen = () =>
    routes.routes.map(({ prefix, node, of }) => `${prefix} ${node} ${of.join(",")}`);
  for (const deadline = Date.now() + 5000; Date.now() < deadline; await sleep(10))
    if (seen().join() === expected.join()) break;
  assert.deepEqual(seen(), expected);
}

/** The hop that the fabric sends an address to, and whether the world sends it to the fabric. */
function kernelHop(address: string): readonly [string | undefined, boolean] {
  using fabric = Rtnl.open({ netns: lab.fabricNetns });
  using world = Rtnl.open({ netns: lab.worldNetns });
  const to = Address.parse(address);
  return [
    fabric.routes.lookup(to)?.gateway?.toString(),
    world.routes.lookup(to)?.gateway !== undefined,
  ];
}

async function put(spec: ServiceSpec): Promise<void> {
  const service: Service = { metadata: { name: "web", namespace }, spec };
  await api.client.create(resources.services, service, { signal });
}

const ports = [{ port: 80 }];

test("an external IP has a route while its service has it and a node is ready", async () => {
  await put({ externalIPs: ["192.0.2.1"], ports });
  await untilRoutes(["192.0.2.1/32 node-1 default/web"]);
  assert.deepEqual(kernelHop("192.0.2.1"), ["172.18.0.2", true]);
  routes.nodesAre(new Set(["node-2"]));
  await untilRoutes(["192.0.2.1/32 node-2 default/web"]);
  assert.deepEqual(kernelHop("192.0.2.1"), ["172.18.0.3", true]);
  routes.nodesAre(new Set());
  await untilRoutes([]);
  assert.deepEqual(kernelHop("192.0.2.1"), [undefined, false]);
  routes.nodesAre(new Set(["node-2"]));
  await untilRoutes(["192.0.2.1/32 node-2 default/web"]);
  await api.client.delete(resources.services, "web", { namespace, signal });
  await untilRoutes([]);
});

test("with externalTrafficPolicy Local the route follows ready endpoints", async () => {
  await put({
    type: "NodePort",
    externalTrafficPolicy: "Local",
    externalIPs: ["2001:db8:7::1"],
    ipFamilies: ["IPv6"],
    ports,
  });
  await untilRoutes(["2001:db8:7::1/128 node-1 default/web"]);
  const slice = (node: string, ready: boolean): EndpointSlice => ({
    metadata: { name: "web-1", namespace, labels: { [serviceNameLabel]: "web" } },
    addressType: "IPv6",
    endpoints: [{ addresses: ["fd00:10:244::5"], conditions: { ready }, nodeName: node }],
    ports: [{ port: 80 }],
  });
  await api.client.create(resources.endpointSlices, slice("node-2", false), { signal });
  await api.client.replace(resources.endpointSlices, slice("node-2", true), { signal });
  await untilRoutes(["2001:db8:7::1/128 node-2 default/web"]);
  assert.deepEqual(kernelHop("2001:db8:7::1"), ["fc00:18::3", true]);
  await api.client.replace(resources.endpointSlices, slice("node-1", true), { signal });
  await untilRoutes(["2001:db8:7::1/128 node-1 default/web"]);
  await api.client.delete(resources.services, "web", { namespace, signal });
  await untilRoutes([]);
});

test("a pool's blocks have routes, but for one that covers what is the cluster's", async () => {
  const pool = {
    metadata: { name: "pool" },
    spec: { blocks: [{ cidr: "198.51.100.0/28" }, { cidr: "10.0.0.0/8" }] },
  };
  await api.client.create(resources.ciliumLoadBalancerIPPools, pool, { signal });
  await untilRoutes(["198.51.100.0/28 node-1 pool pool"]);
  await api.client.delete(resources.ciliumLoadBalancerIPPools, "pool", { signal });
  await untilRoutes([]);
});
