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

const merge = "application/merge-patch+json";
const change = (name: string, spec: object) =>
  api.send("PATCH", `${services}/${name}`, { contentType: merge, body: { spec } });

test("a type that has no use for them takes ports, class, policies and addresses along", async () => {
  const spec = await make("demoted", {
    type: "LoadBalancer",
    loadBalancerClass: "example.com/a",
    externalTrafficPolicy: "Local",
  });
  await api.send("PATCH", `${services}/demoted/status`, {
    contentType: merge,
    body: { status: { loadBalancer: { ingress: [{ ip: "198.51.100.1" }] } } },
  });
  const { status, body } = await change("demoted", { type: "ClusterIP" });
  assert.equal(status, 200, JSON.stringify(body));
  assert.deepEqual(
    { ...body["spec"], ports: body["spec"].ports.map((entry: Body) => entry["nodePort"]) },
    {
      type: "ClusterIP",
      clusterIP: spec["clusterIP"],
      clusterIPs: spec["clusterIPs"],
      ipFamilies: ["IPv4"],
      ipFamilyPolicy: "SingleStack",
      sessionAffinity: "None",
      internalTrafficPolicy: "Cluster",
      ports: [undefined],
    },
  );
  assert.deepEqual(body["status"], { loadBalancer: {} });
  // Freed: another service may ask for them.
  await make("heir", {
    type: "NodePort",
    ports: [
      { name: "a", port: 1, nodePort: spec["ports"][0].nodePort },
      { name: "b", port: 2, nodePort: spec["healthCheckNodePort"] },
    ],
  });
});

test("a service that becomes external gives its address back", async () => {
  const { clusterIP } = await make("leaving", {});
  const { status, body } = await change("leaving", {
    type: "ExternalName",
    externalName: "example.com",
  });
  assert.equal(status, 200, JSON.stringify(body));
  assert.equal(body["spec"].clusterIP, undefined);
  assert.equal((await make("next", { clusterIP }))["clusterIP"], clusterIP);
});

test("a dual-stack service that asks for one family keeps its first address", async () => {
  const { clusterIPs } = await make("shrinks", { ipFamilyPolicy: "RequireDualStack" });
  const { body } = await change("shrinks", { ipFamilyPolicy: "SingleStack" });
  assert.deepEqual(body["spec"].clusterIPs, [clusterIPs[0]]);
  assert.deepEqual(body["spec"].ipFamilies, ["IPv4"]);
});

test("one port number of several protocols has one node port, which no other service has", async () => {
  const { ports: shared } = await make("dns-node", {
    type: "NodePort",
    ports: [
      { name: "udp", port: 53, protocol: "UDP" },
      { name: "tcp", port: 53, protocol: "TCP" },
      { name: "sctp", port: 53, protocol: "SCTP" },
      { name: "other", port: 54 },
    ],
  });
  const numbers = shared.map((entry: Body) => entry["nodePort"]);
  assert.equal(new Set(numbers.slice(0, 3)).size, 1);
  assert.notEqual(numbers[3], numbers[0]);
  const { status } = await api.send("POST", services, {
    body: {
      metadata: { name: "thief" },
      spec: {
        type: "NodePort",
        ports: [{ port: 53, protocol: "SCTP", nodePort: numbers[3] }],
      },
    },
  });
  assert.equal(status, 422, "of another protocol, and still taken");
});

test("a change keeps node ports by name, whatever becomes of the port", async () => {
  const { ports: first } = await make("moved", {
    type: "NodePort",
    ports: [
      { name: "a", port: 1 },
      { name: "b", port: 2 },
    ],
  });
  const { body } = await change("moved", {
    ports: [
      { name: "new", port: 9 },
      { name: "b", port: 22 },
    ],
  });
  assert.equal(body["spec"].ports[1].nodePort, first[1].nodePort);
  assert.notEqual(body["spec"].ports[0].nodePort, first[1].nodePort);
});

test("a load balancer without node ports has those it asks for, and keeps what it had", async () => {
  const spec = await make("bare", {
    type: "LoadBalancer",
    allocateLoadBalancerNodePorts: false,
    ports: [
      { name: "a", port: 1 },
      { name: "b", port: 2, nodePort: 30_021 },
    ],
  });
  assert.deepEqual(
    spec["ports"].map((entry: Body) => entry["nodePort"]),
    [undefined, 30_021],
  );
  const before = await make("stops", { type: "LoadBalancer" });
  const { body } = await change("stops", { allocateLoadBalancerNodePorts: false });
  assert.equal(body["spec"].ports[0].nodePort, before["ports"][0].nodePort);
});

test("a health check port comes and goes with the policy, and is no other port's", async () => {
  await make("checked", { type: "LoadBalancer" });
  const { body } = await change("checked", { externalTrafficPolicy: "Local" });
  const { healthCheckNodePort, ports: own } = body["spec"];
  assert.ok(healthCheckNodePort >= 30_000 && healthCheckNodePort !== own[0].nodePort);
  const refused = await api.send("POST", services, {
    body: {
      metadata: { name: "twice" },
      spec: {
        type: "LoadBalancer",
        externalTrafficPolicy: "Local",
        healthCheckNodePort: 30_040,
        ports: [{ port: 80, nodePort: 30_040 }],
      },
    },
  });
  assert.equal(refused.status, 422);
  const after = await change("checked", { externalTrafficPolicy: "Cluster" });
  assert.equal(after.body["spec"].healthCheckNodePort, undefined);
});

test("an affinity lasts three hours unless it says otherwise; without one there is no setting", async () => {
  const spec = await make("sticky", { sessionAffinity: "ClientIP" });
  assert.deepEqual(spec["sessionAffinityConfig"], { clientIP: { timeoutSeconds: 10_800 } });
  const { body } = await change("sticky", { sessionAffinity: "None" });
  assert.equal(body["spec"].sessionAffinityConfig, undefined);
});

test("a service has a thousand and more ports, each with a node port of its own", async () => {
  const many = Array.from({ length: 1_200 }, (_, index) => ({
    name: `p${index}`,
    port: index + 1,
    protocol: index % 2 === 0 ? "TCP" : "UDP",
  }));
  const { ports: given } = await make("wide", { type: "NodePort", ports: many });
  assert.equal(new Set(given.map((entry: Body) => entry["nodePort"])).size, 1_200);
  const { status, body } = await change("wide", { ports: many.slice(1) });
  assert.equal(status, 200, JSON.stringify(body).slice(0, 500));
  assert.equal(body["spec"].ports[0].nodePort, given[1].nodePort);
});

const put = (name: string, status: object) =>
  api.send("PATCH", `${services}/${name}/status`, { contentType: merge, body: { status } });

test("addresses in the status are virtual unless they say otherwise; conditions beside them stay", async () => {
  await make("addressed", { type: "LoadBalancer" });
  const conditions = [
    { type: "a/b", status: "True", reason: "r", message: "", observedGeneration: 1 },
  ];
  await put("addressed", { conditions });
  const ingress = [
    { ip: "198.51.100.1" },
    { ip: "2001:db8::1", ipMode: "Proxy" },
    { hostname: "lb.example.com" },
  ];
  const { body } = await put("addressed", { loadBalancer: { ingress } });
  assert.deepEqual(body["status"], {
    loadBalancer: {
      ingress: [{ ip: "198.51.100.1", ipMode: "VIP" }, ...ingress.slice(1)],
    },
    conditions,
  });
});

/** sentence, entry, field of the cause */
const badIngress: readonly (readonly [string, object, string])[] = [
  ["an address that is none", { ip: "198.51.100.256" }, "ip"],
  ["a mode there is none", { ip: "198.51.100.1", ipMode: "Maybe" }, "ipMode"],
  ["a mode of no address", { hostname: "a.example.com", ipMode: "VIP" }, "ipMode"],
  ["a name that is an address", { hostname: "198.51.100.1" }, "hostname"],
  ["a name in capitals", { hostname: "LB.example.com" }, "hostname"],
];
for (const [sentence, entry, field] of badIngress) {
  test(`the status has not ${sentence}`, async () => {
    const name = `status-${badIngress.findIndex(([each]) => each === sentence)}`;
    await make(name, { type: "LoadBalancer" });
    const { status, body } = await put(name, { loadBalancer: { ingress: [entry] } });
    assert.equal(status, 422, JSON.stringify(body));
    assert.equal(body["details"].causes[0].field, `status.loadBalancer.ingress[0].${field}`);
  });
}

test("only a load balancer's status has addresses", async () => {
  await make("inside", {});
  const { status } = await put("inside", { loadBalancer: { ingress: [{ ip: "198.51.100.1" }] } });
  assert.equal(status, 422);
});

test("what a rehearsal or a refusal would have taken is free", async () => {
  const body = {
    metadata: { name: "rehearsed" },
    spec: { type: "NodePort", ports: [{ port: 80, nodePort: 30_060 }], clusterIP: "10.96.0.99" },
  };
  assert.equal((await api.send("POST", `${services}?dryRun=All`, { body })).status, 201);
  const wrong = { ...body, spec: { ...body.spec, clusterIP: "192.0.2.1" } };
  assert.equal((await api.send("POST", services, { body: wrong })).status, 422);
  assert.equal((await api.send("POST", services, { body })).status, 201);
});

test("who has what is known after a restart", async () => {
  const { clusterIP, ports: own } = await make("kept-over", { type: "NodePort" });
  await api.restart({ nodePortRange: { first: 20_000, last: 20_099 } });
  const ask = (spec: object) =>
    api.send("POST", services, { body: { metadata: { name: "asks" }, spec: { ports, ...spec } } });
  assert.match((await ask({ clusterIP })).body["message"], /already allocated/);
  const nodePort = own[0].nodePort;
  const refused = await ask({ type: "NodePort", ports: [{ port: 80, nodePort }] });
  assert.match(refused.body["message"], /already allocated/);
  const { body } = await ask({ type: "NodePort" });
  const given = body["spec"].ports[0].nodePort;
  assert.ok(given >= 20_000 && given <= 20_099, "of the range that is configured now");
  const labelled = await change("kept-over", { selector: { a: "b" } });
  assert.equal(labelled.body["spec"].ports[0].nodePort, nodePort, "what it has it keeps");
});

test("ports that nobody asked for leave the start of the range to those who ask by number", async () => {
  const many = Array.from({ length: 60 }, (_, index) => ({ name: `p${index}`, port: index + 1 }));
  const { ports: given } = await make("dynamic", { type: "NodePort", ports: many });
  assert.ok(given.every((entry: Body) => entry["nodePort"] >= 20_016));
});

test("a range of node ports that is used up says so", async () => {
  const wanted = Array.from({ length: 120 }, (_, index) => ({
    name: `p${index}`,
    port: index + 1,
  }));
  const { status, body } = await api.send("POST", services, {
    body: { metadata: { name: "greedy" }, spec: { type: "NodePort", ports: wanted } },
  });
  assert.equal(status, 422);
  assert.match(body["message"], /no port of 20000-20099 is free/);
});
