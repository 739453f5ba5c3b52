// What a Service is given: cluster IPs of the families it wants, node ports, each to one service alone.
import { strict as assert } from "node:assert";
import { after, before, test } from "node:test";
import { TestServer, type Body } from "./testing/server.ts";

let api: TestServer;
before(async () => {
  api = await TestServer.start();
});
after(async () => {
  await api[Symbol.asyncDispose]();
  assert.deepEqual(api.faults, []);
});

const services = "/api/v1/namespaces/default/services";
const ports = [{ port: 80 }];

async function make(name: string, spec: object): Promise<Body> {
  return (await api.create(services, { metadata: { name }, spec: { ports, ...spec } }))[
    "spec"
  ] as Body;
}

const isV4 = (address: string) => /^10\.96\.\d+\.\d+$/.test(address);
const isV6 = (address: string) => address.startsWith("fd00:10:96::");

test("a service has one IPv4 address by default", async () => {
  const spec = await make("plain", {});
  assert.deepEqual(spec["ipFamilies"], ["IPv4"]);
  assert.equal(spec["ipFamilyPolicy"], "SingleStack");
  assert.ok(isV4(spec["clusterIP"]));
  assert.deepEqual(spec["clusterIPs"], [spec["clusterIP"]]);
  assert.equal(spec["ports"][0].targetPort, 80);
});

test("a dual-stack service has one address of each family, in the order it names", async () => {
  const preferred = await make("preferred", { ipFamilyPolicy: "PreferDualStack" });
  assert.ok(isV4(preferred["clusterIPs"][0]) && isV6(preferred["clusterIPs"][1]));
  const ordered = await make("ordered", {
    ipFamilyPolicy: "RequireDualStack",
    ipFamilies: ["IPv6", "IPv4"],
  });
  assert.ok(isV6(ordered["clusterIPs"][0]) && isV4(ordered["clusterIPs"][1]));
  assert.equal(ordered["clusterIP"], ordered["clusterIPs"][0]);
});

test("an IPv6 service has no IPv4 address", async () => {
  const spec = await make("six", { ipFamilies: ["IPv6"] });
  assert.equal(spec["clusterIPs"].length, 1);
  assert.ok(isV6(spec["clusterIP"]));
});

test("headless and external services have none", async () => {
  assert.deepEqual((await make("headless", { clusterIP: "None" }))["clusterIPs"], ["None"]);
  const external = await make("external", {
    type: "ExternalName",
    externalName: "example.com",
    ports: [],
  });
  assert.equal(external["clusterIP"], undefined);
});

test("an address that is asked for is given once", async () => {
  assert.equal((await make("dns", { clusterIP: "10.96.0.10" }))["clusterIP"], "10.96.0.10");
  const { status, body } = await api.send("POST", services, {
    body: { metadata: { name: "dns2" }, spec: { clusterIP: "10.96.0.10", ports } },
  });
  assert.equal(status, 422);
  assert.match(body["message"], /already allocated/);
});

test("an address is free again when its service is gone", async () => {
  await api.send("DELETE", `${services}/dns`);
  assert.equal((await make("dns3", { clusterIP: "10.96.0.10" }))["clusterIP"], "10.96.0.10");
});

test("two hundred at once get two hundred addresses", async () => {
  const made = await Promise.all(
    Array.from({ length: 200 }, (_, index) =>
      make(`many-${index}`, { ipFamilyPolicy: "PreferDualStack" }),
    ),
  );
  assert.equal(new Set(made.flatMap((spec) => spec["clusterIPs"] as string[])).size, 400);
});

test("an update keeps what was allocated and cannot change it", async () => {
  const spec = await make("kept", { type: "NodePort" });
  const replaced = await api.send("PUT", `${services}/kept`, {
    body: { metadata: { name: "kept" }, spec: { type: "NodePort", ports, selector: { a: "b" } } },
  });
  assert.deepEqual(replaced.body["spec"].clusterIPs, spec["clusterIPs"]);
  assert.equal(replaced.body["spec"].ports[0].nodePort, spec["ports"][0].nodePort);
  const moved = await api.send("PUT", `${services}/kept`, {
    body: { metadata: { name: "kept" }, spec: { clusterIP: "10.96.7.7", ports } },
  });
  assert.equal(moved.status, 422);
});

test("a service grows to dual stack and keeps its address", async () => {
  const spec = await make("grows", {});
  const { body } = await api.send("PATCH", `${services}/grows`, {
    contentType: "application/merge-patch+json",
    body: { spec: { ipFamilyPolicy: "RequireDualStack" } },
  });
  assert.equal(body["spec"].clusterIPs[0], spec["clusterIP"]);
  assert.ok(isV6(body["spec"].clusterIPs[1]));
});

test("node ports come from their range, and one asked for twice is refused", async () => {
  const first = await make("np1", { type: "NodePort" });
  const port = first["ports"][0].nodePort;
  assert.ok(port >= 30000 && port <= 32767);
  const { status, body } = await api.send("POST", services, {
    body: {
      metadata: { name: "np2" },
      spec: { type: "NodePort", ports: [{ port: 80, nodePort: port }] },
    },
  });
  assert.equal(status, 422);
  assert.equal(body["details"].causes[0].field, "spec.ports[0].nodePort");
});

test("a load balancer that serves locally has a health check port", async () => {
  const spec = await make("lb", { type: "LoadBalancer", externalTrafficPolicy: "Local" });
  assert.ok(spec["healthCheckNodePort"] >= 30000);
  assert.notEqual(spec["healthCheckNodePort"], spec["ports"][0].nodePort);
});

test("a service that is no longer of type NodePort loses its port", async () => {
  await make("retired", { type: "NodePort" });
  const { body } = await api.send("PATCH", `${services}/retired`, {
    contentType: "application/merge-patch+json",
    body: { spec: { type: "ClusterIP" } },
  });
  assert.equal(body["spec"]?.ports[0].nodePort, undefined, JSON.stringify(body));
});
