// The REST API of a real agent, and what it shows of pods, labels and drops.
import assert from "node:assert/strict";
import { connect } from "node:net";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { resources } from "@tsilium/kube";
import type { ServiceRow } from "@tsilium/loadbalancer/model.ts";
import { Ajv2020 } from "ajv/dist/2020.js";
import { Runtime } from "../testing/runtime.ts";
import type { eventView } from "./monitor.ts";

let runtime: Runtime;
before(async () => {
  runtime = await Runtime.up();
});
after(() => runtime[Symbol.asyncDispose]());
// What a failed test left must not fail the next.
afterEach(() => runtime.clear());

test("garbage on the socket is answered with 400 and harms nobody", async () => {
  const pod = await runtime.pod();
  await runtime.add(pod);
  const before = await runtime.holdings();
  for (const garbage of [
    "\0".repeat(100),
    "\xff\xfe",
    "GET /v1/../../etc/passwd",
    `POST /v1/cni HTTP/1.1\r\nContent-Length: 5\r\n\r\nhe`,
  ]) {
    const socket = connect(join(runtime.node.runDir, "tsilium.sock"));
    socket.on("error", () => undefined);
    socket.end(Buffer.from(`${garbage}\r\n\r\n`, "latin1"));
    await new Promise((resolve) => socket.on("close", resolve).resume());
  }
  for (const path of [
    "/v1/endpoint/x",
    "/v1/identity/-1",
    "/v1/ip/not-an-address",
    "/v1/barrier?resourceVersion=x",
    "/v1/endpoint?x=1",
  ]) {
    assert.equal((await runtime.node.get(path)).status, 400, path);
  }
  for (const path of ["/v1/endpoint/1234567", "/v1/identity/77777", "/v2"])
    assert.equal((await runtime.node.get(path)).status, 404, path);
  assert.deepEqual(await runtime.holdings(), before);
  await runtime.remove(pod);
});

test("every answer is as the OpenAPI document says", async () => {
  const pod = await runtime.pod();
  await runtime.add(pod);
  const { body: document } = await runtime.node.get<OpenApi>("/v1/openapi.json");
  const endpoint = await runtime.endpointOf(pod.id);
  // The API server's own Service is there from the first.
  const { body: frontends } = await runtime.node.get<ServiceRow[]>("/v1/service");
  const samples: Record<string, string> = {
    "/v1/service/{id}": `/v1/service/${frontends[0]?.id}`,
    "/v1/endpoint/{id}": `/v1/endpoint/${endpoint?.id}`,
    "/v1/identity/{id}": `/v1/identity/${endpoint?.identity.id}`,
    "/v1/fqdn/cache/{id}": `/v1/fqdn/cache/${endpoint?.id}`,
    "/v1/ip/{address}": `/v1/ip/${endpoint?.addressing.ipv4}`,
    "/v1/policy/explain": `/v1/policy/explain?from=default/${pod.name}&to=world&port=80/tcp`,
  };
  const ajv = new Ajv2020({ strict: false, formats: { "date-time": true } });
  for (const [path, { get }] of Object.entries(document.paths)) {
    const schema = get?.responses["200"]?.content?.["application/json"]?.schema;
    if (!schema) continue;
    const { status, body } = await runtime.node.get(samples[path] ?? path);
    assert.equal(status, 200, path);
    assert.ok(ajv.validate(schema, body), `${path}: ${ajv.errorsText()}`);
  }
  await runtime.remove(pod);
});
type OpenApi = {
  paths: Record<
    string,
    { get?: { responses: Record<string, { content?: Record<string, { schema: object }> }> } }
  >;
};

test("the monitor shows a drop as it happens, with its reason and the packet in words", async () => {
  const pod = await runtime.pod();
  await runtime.add(pod);
  const lines = runtime.node.stream("/v1/monitor");
  const first = lines.next();
  pod.netns.addAddress("eth0", "10.9.9.9/32");
  const ping = pod.netns.exec("ping", [
    "-c",
    "5",
    "-i",
    "0.1",
    "-W1",
    "-I",
    "10.9.9.9",
    "172.18.0.2",
  ]);
  const event = JSON.parse((await first).value ?? "{}") as ReturnType<typeof eventView>;
  assert.equal(event.kind, "drop");
  assert.equal(event.reason, "Invalid source ip");
  assert.equal(event.endpointId, (await runtime.endpointOf(pod.id))?.id);
  assert.match(event.summary, /10\.9\.9\.9/);
  await lines.return(undefined);
  await ping;
  await runtime.remove(pod);
});

test("health and metrics are served on loopback", async () => {
  const health = await runtime.node.netns.exec("curl", ["-s", "http://127.0.0.1:9879/healthz"]);
  assert.equal((JSON.parse(health.stdout) as { state: string }).state, "ok", health.stdout);
  const { stdout } = await runtime.node.netns.exec("curl", ["-s", "http://127.0.0.1:9962/metrics"]);
  for (const name of [
    "tsilium_endpoint 0",
    'tsilium_version{version="0.1.0"} 1',
    'tsilium_endpoint_state{endpoint_state="ready"} 0',
    'tsilium_drop_count_total{direction="egress",reason="Invalid source ip"}',
    'tsilium_ip_addresses{family="ipv4"}',
    'tsilium_cni_process_time_seconds_count{command="ADD",code="0"}',
    'tsilium_kubernetes_events_total{scope="pods"}',
  ]) {
    assert.ok(stdout.includes(name), `${name} is missing in\n${stdout}`);
  }
});

test("a pod's CiliumEndpoint says what it is, is put right when somebody spoils it, and goes with it", async () => {
  const signal = AbortSignal.timeout(10_000);
  const pod = await runtime.pod({ app: "published" });
  await runtime.add(pod);
  const endpoint = await runtime.endpointOf(pod.id);
  const read = () =>
    runtime.cluster.client.get(resources.ciliumEndpoints, pod.name, {
      namespace: "default",
      signal,
    });
  const wanted = async (what: string, holds: () => Promise<boolean>) => {
    while (!(await holds().catch(() => false))) {
      assert.ok(!signal.aborted, what);
      await sleep(20);
    }
  };
  const isTrue = async () => {
    const { status } = await read();
    return (
      status?.identity?.id === endpoint?.identity.id &&
      status?.networking?.addressing[0]?.ipv4 === endpoint?.addressing.ipv4 &&
      status?.networking?.node === "172.18.0.2"
    );
  };
  await wanted("published", isTrue);
  await runtime.cluster.client.patch(resources.ciliumEndpoints, pod.name, {
    namespace: "default",
    type: "merge",
    patch: { status: { identity: { id: 1 } } },
    signal,
  });
  await wanted("put right", isTrue);
  await runtime.cluster.client.delete(resources.ciliumEndpoints, pod.name, {
    namespace: "default",
    signal,
  });
  await wanted("made again", isTrue);
  await runtime.remove(pod);
  await wanted("withdrawn", async () =>
    read().then(
      () => false,
      () => true,
    ),
  );
});

test("a pod whose labels change gets another identity, and the barrier waits for it", async () => {
  const signal = AbortSignal.timeout(10_000);
  const pod = await runtime.pod({ app: "before" });
  await runtime.add(pod);
  const before = await runtime.endpointOf(pod.id);
  const { metadata } = await runtime.cluster.client.patch(resources.pods, pod.name, {
    namespace: "default",
    type: "merge",
    patch: { metadata: { labels: { app: "after" } } },
    signal,
  });
  assert.equal(
    (await runtime.node.get(`/v1/barrier?resourceVersion=${metadata.resourceVersion}`)).status,
    204,
  );
  const changed = await runtime.endpointOf(pod.id);
  assert.ok(changed);
  assert.notEqual(changed.identity.id, before?.identity.id);
  assert.ok(changed.identity.labels.includes("k8s:app=after"));
  assert.equal(changed.state, "ready");
  const { body: explained } = await runtime.node.get<{ identity: number; wins: boolean }[]>(
    `/v1/ip/${changed.addressing.ipv4}`,
  );
  assert.equal(explained[0]?.identity, changed.identity.id);
  await runtime.remove(pod);
});

test("nothing of this was an error of the agent's", () => {
  assert.deepEqual(runtime.severeLogLines(), []);
});
