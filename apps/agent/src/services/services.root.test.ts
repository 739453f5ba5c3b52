// Services of a real agent on a real kernel, from the API server to sockets:
//
//   tsit-PID-node-1 (agent, node ports) ---- tsit-PID-pod-1 (backend)
//                                       \--- tsit-PID-pod-2 (client)
//
// Slices are written by the test: no controllers run here.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type CiliumLocalRedirectPolicy,
  type EndpointSlice,
  type KubeObject,
  resources,
  type Service,
} from "@tsilium/kube";
import type { ServiceRow } from "@tsilium/loadbalancer/model.ts";
import { Ajv2020 } from "ajv/dist/2020.js";
import { Runtime, type TestPod } from "../testing/runtime.ts";
import { connectIn, OwnCgroup, TestServer, type TestSocket } from "./testing/sockets.ts";
import type { RedirectRow, WarningRow } from "./views.ts";

const at = { namespace: "default" };
const patience = () => ({ signal: AbortSignal.timeout(20_000) });
let cgroup: OwnCgroup;
let runtime: Runtime;
let backend: TestPod;
let client: TestPod;
let backendAddress: string;

before(async () => {
  cgroup = new OwnCgroup();
  runtime = await Runtime.up({
    config: {
      "kube-proxy-replacement": "true",
      "cgroup-root": cgroup.path,
      "kube-proxy-replacement-healthz-bind-address": "0.0.0.0:10256",
      "enable-local-redirect-policy": "true",
    },
  });
  backend = await runtime.pod();
  client = await runtime.pod();
  await runtime.add(backend);
  await runtime.add(client);
  backendAddress = (await runtime.endpointOf(backend.id))?.addressing.ipv4 ?? "";
});
after(async () => {
  await runtime?.clear();
  await runtime?.[Symbol.asyncDispose]();
  await cgroup[Symbol.asyncDispose]();
});

const api = () => runtime.cluster.client;

async function createService(name: string, spec: Partial<Service["spec"]>): Promise<Service> {
  const body: Service = { metadata: { name, ...at }, spec: { ports: [{ port: 80 }], ...spec } };
  return api().create(resources.services, body, patience());
}

async function setEndpoints(
  service: string,
  addresses: readonly string[],
  port: { readonly port: number; readonly protocol?: "TCP" | "UDP" } = { port: 8080 },
): Promise<void> {
  const slice: EndpointSlice = {
    metadata: { name: service, ...at, labels: { "kubernetes.io/service-name": service } },
    addressType: "IPv4",
    endpoints: addresses.map((address) => ({ addresses: [address], nodeName: "node-1" })),
    ports: [{ protocol: "TCP", ...port }],
  };
  await api()
    .delete(resources.endpointSlices, service, { ...at, ...patience() })
    .catch(() => undefined);
  await inKernel(await api().create(resources.endpointSlices, slice, patience()));
}

async function inKernel({ metadata }: KubeObject): Promise<void> {
  const path = `/v1/barrier?resourceVersion=${metadata.resourceVersion}`;
  const { status, body } = await runtime.node.get(path);
  assert.equal(status, 204, JSON.stringify(body));
}

async function rowsOf(name: string): Promise<string[]> {
  const { body } = await runtime.node.get<ServiceRow[]>("/v1/service");
  return body
    .filter((row) => row.name === name)
    .map(({ type, frontend, backends }) => {
      const over = backends.map(({ address, port, state }) => `${address}:${port} ${state}`);
      return `${type} ${frontend.address}:${frontend.port}/${frontend.protocol} -> ${over}`;
    });
}

/** The error that a socket ends with. */
async function endOf(socket: TestSocket): Promise<string> {
  for (;;) {
    const state = socket.state();
    if (state !== "open") return state;
    await sleep(5);
  }
}

test("a service is served to pods and to the node once the barrier says so, and shown with its numbers", async () => {
  using server = new TestServer(backend.netns, backendAddress, { port: 8080, protocol: "TCP" });
  const { spec } = await createService("web", { type: "NodePort" });
  await setEndpoints("web", [backendAddress]);
  const clusterIp = spec.clusterIP ?? "";
  const nodePort = spec.ports?.[0]?.nodePort ?? 0;
  for (const [netns, address, port] of [
    [client.netns, clusterIp, 80],
    [runtime.node.netns, clusterIp, 80],
    [client.netns, "172.18.0.2", nodePort],
    [runtime.node.netns, "127.0.0.1", nodePort],
  ] as const) {
    using connection = connectIn(netns, address, { port, protocol: "TCP" });
    assert.deepEqual([server.accepted(), connection.peer], [1, `${address}:${port}`]);
  }
  const over = `${backendAddress}:8080 active`;
  const rows = await rowsOf("web");
  for (const row of [
    `ClusterIP ${clusterIp}:80/TCP -> ${over}`,
    `NodePort 0.0.0.0:${nodePort}/TCP -> ${over}`,
    `NodePort 172.18.0.2:${nodePort}/TCP -> ${over}`,
  ])
    assert.ok(rows.includes(row), `${row} is missing in\n${rows.join("\n")}`);
});

test("sockets that were given a backend end with it; those that asked for its address stay", async () => {
  using server = new TestServer(backend.netns, backendAddress, { port: 5353, protocol: "UDP" });
  const { spec } = await createService("dns", { ports: [{ port: 53, protocol: "UDP" }] });
  const port = { port: 5353, protocol: "UDP" as const };
  await setEndpoints("dns", [backendAddress], port);
  const service = { port: 53, protocol: "UDP" } as const;
  using balanced = connectIn(client.netns, spec.clusterIP ?? "", service);
  using ofNode = connectIn(runtime.node.netns, spec.clusterIP ?? "", service);
  using direct = connectIn(client.netns, backendAddress, { ...service, port: 5353 });
  for (const [index, socket] of [balanced, ofNode, direct].entries()) {
    socket.send(`hello ${index}`);
    assert.equal(server.receive(), `hello ${index}`);
  }
  await setEndpoints("dns", [], port);
  assert.deepEqual([await endOf(balanced), await endOf(ofNode)], ["ECONNABORTED", "ECONNABORTED"]);
  assert.equal(direct.state(), "open");
  const { stdout } = await runtime.node.netns.exec("curl", ["-s", "http://127.0.0.1:9962/metrics"]);
  assert.match(stdout, /tsilium_service_sockets_terminated_total 2/);
});

test("a health check node port tells of the node's endpoints, and closes with its service", async () => {
  const service = await createService("edge", {
    type: "LoadBalancer",
    externalTrafficPolicy: "Local",
  });
  const port = service.spec.healthCheckNodePort ?? 0;
  const ask = async (host: string) => {
    const url = `http://${host}:${port}/`;
    const { stdout } = await runtime.node.netns.exec("curl", [
      "-s",
      "-g",
      "-w",
      " %{http_code}",
      url,
    ]);
    return stdout;
  };
  const answer = (count: number, status: number) =>
    `{"service":{"namespace":"default","name":"edge"},"localEndpoints":${count},"serviceProxyHealthy":true} ${status}`;
  await setEndpoints("edge", []);
  assert.equal(await ask("172.18.0.2"), answer(0, 503));
  await setEndpoints("edge", [backendAddress]);
  assert.equal(await ask("172.18.0.2"), answer(1, 200));
  assert.equal(await ask("[fc00:18::2]"), answer(1, 200));
  await api().delete(resources.services, "edge", { ...at, ...patience() });
  await setEndpoints("edge", []);
  assert.equal(await ask("172.18.0.2"), " 000");
});

test("an address is redirected to a pod of the node once that is ready", async () => {
  const cache = await runtime.pod({ app: "metadata" });
  await runtime.add(cache);
  const address = (await runtime.endpointOf(cache.id))?.addressing.ipv4 ?? "";
  using server = new TestServer(cache.netns, address, { port: 80, protocol: "TCP" });
  const metadata = { name: "metadata", ...at };
  const policy: CiliumLocalRedirectPolicy = {
    metadata,
    spec: {
      redirectFrontend: {
        addressMatcher: { ip: "169.254.169.254", toPorts: [{ port: "80", protocol: "TCP" }] },
      },
      redirectBackend: {
        localEndpointSelector: { matchLabels: { app: "metadata" } },
        toPorts: [{ port: "80", protocol: "TCP" }],
      },
    },
  };
  await api().create(resources.ciliumLocalRedirectPolicies, policy, patience());
  const status = {
    podIP: address,
    podIPs: [{ ip: address }],
    conditions: [{ type: "Ready", status: "True" as const }],
  };
  await inKernel(
    await api().patchStatus(resources.pods, cache.name, { ...at, status, ...patience() }),
  );
  using connection = connectIn(client.netns, "169.254.169.254", { port: 80, protocol: "TCP" });
  assert.deepEqual([server.accepted(), connection.peer], [1, "169.254.169.254:80"]);
  const { body } = await runtime.node.get<RedirectRow[]>("/v1/lrp");
  assert.deepEqual(
    body.map(({ name, frontendType, frontends }) => [
      name,
      frontendType,
      frontends.map(({ backends }) => backends.map((row) => row.address).join()),
    ]),
    [["metadata", "address", [address]]],
  );
});

test("what is shown of services is as the OpenAPI document says", async () => {
  const thief = { externalIPs: ["172.18.0.2"], ports: [{ port: 10250 }] };
  await inKernel(await createService("thief", thief));
  const service = await createService("local", {
    type: "LoadBalancer",
    externalTrafficPolicy: "Local",
    loadBalancerSourceRanges: ["192.0.2.0/24"],
  });
  await api().patchStatus(resources.services, "local", {
    ...at,
    status: { loadBalancer: { ingress: [{ ip: "203.0.113.80" }] } },
    ...patience(),
  });
  await setEndpoints("local", [backendAddress, "10.244.7.7"]);
  const { body: document } = await runtime.node.get<OpenApi>("/v1/openapi.json");
  const ajv = new Ajv2020({ strict: false });
  for (const path of ["/v1/service", "/v1/service/warnings", "/v1/lrp"]) {
    const { body } = await runtime.node.get<unknown[]>(path);
    const schema = document.paths[path]?.get.responses["200"].content["application/json"].schema;
    assert.ok(schema && body.length > 0, path);
    assert.ok(ajv.validate(schema, body), `${path}: ${ajv.errorsText()}`);
  }
  const rows = await rowsOf("local");
  assert.ok(
    rows.some((row) => row.startsWith("LoadBalancer 203.0.113.80:80/TCP")),
    rows.join("\n"),
  );
  const { body: warnings } = await runtime.node.get<WarningRow[]>("/v1/service/warnings");
  assert.deepEqual(
    warnings.map(({ service: name, path }) => `${name} ${path}`),
    ["default/thief spec.externalIPs[0]"],
  );
  assert.notEqual(service.spec.healthCheckNodePort, undefined);
});
type OpenApi = {
  paths: Record<
    string,
    { get: { responses: { "200": { content: { "application/json": { schema: object } } } } } }
  >;
};

test("/healthz is kube-proxy's", async () => {
  const { stdout } = await runtime.node.netns.exec("curl", [
    "-s",
    "http://172.18.0.2:10256/healthz",
  ]);
  const { nodeEligible } = JSON.parse(stdout) as { nodeEligible: boolean };
  assert.equal(nodeEligible, true);
});

test("status names every feature and what it is", async () => {
  const { body } = await runtime.node.get<{ parts: { name: string; message: string }[] }>(
    "/v1/healthz",
  );
  const messageOf = (wanted: string) => body.parts.find(({ name }) => name === wanted)?.message;
  assert.equal(messageOf("KubeProxyReplacement"), "True   [eth0 172.18.0.2 fc00:18::2]");
  assert.equal(messageOf("Socket LB"), `Enabled (all sockets, in ${cgroup.path})`);
  assert.equal(messageOf("Socket LB Coverage"), "Full");
  assert.equal(messageOf("Services NodePort"), "Enabled (Range: 30000-32767)");
  assert.match(
    String(messageOf("services")),
    /^[0-9]+ services, [0-9]+ frontends, [0-9]+ backends/,
  );
});

test("services go on without the agent, and with one that returns while the API server is away", async () => {
  using server = new TestServer(backend.netns, backendAddress, { port: 8080, protocol: "TCP" });
  const { spec } = await api().get(resources.services, "web", {
    ...at,
    ...patience(),
  });
  const isServed = () => {
    using _ = connectIn(client.netns, spec.clusterIP ?? "", { port: 80, protocol: "TCP" });
    return server.accepted() === 1;
  };
  const { body: before } = await runtime.node.get<ServiceRow[]>("/v1/service");
  await runtime.cluster.stopApi();
  await runtime.node.stop("SIGKILL");
  assert.ok(isServed());
  await runtime.node.start();
  assert.ok(isServed());
  await runtime.cluster.startApi();
  await setEndpoints("web", [backendAddress]);
  assert.ok(isServed());
  const { body: after } = await runtime.node.get<ServiceRow[]>("/v1/service");
  const numbers = (rows: readonly ServiceRow[]) =>
    rows.map(({ id, frontend }) => `${id} ${frontend.address}:${frontend.port}`);
  assert.deepEqual(numbers(after), numbers(before));
});

test("nothing of this was an error of the agent's", () => {
  assert.deepEqual(runtime.severeLogLines(), []);
});
