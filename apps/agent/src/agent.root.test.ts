// CNI and REST of a real agent, with the real API server, operator, plugin and datapath.
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { resources } from "@tsilium/kube";
import { type Netns, removeNetns } from "@tsilium/testkit";
import { Ajv2020 } from "ajv/dist/2020.js";
import type { eventView } from "./rest/monitor.ts";
import type { EndpointView } from "./rest/views.ts";
import { type CniOptions, podArgs, TestCluster, type TestNode } from "./testing/cluster.ts";

let cluster: TestCluster;
let node: TestNode;
before(async () => {
  cluster = await TestCluster.up({ config: { "identity-change-grace-period": "100ms" } });
  node = cluster.node;
});
after(() => cluster[Symbol.asyncDispose]());
// What a failed test left must not fail the next.
afterEach(async () => {
  const left = await endpoints().catch(() => []);
  for (const { container } of left) await node.cni("DEL", container.id, {});
});

let pods = 0;
type TestPod = {
  readonly id: string;
  readonly netns: Netns;
  readonly options: CniOptions;
  readonly name: string;
};

/** A Pod and its namespace, not attached yet. */
async function makePod(labels: Record<string, string> = { app: "test" }): Promise<TestPod> {
  const number = ++pods;
  const name = `pod-${number}`;
  const pod = await cluster.createPod(name, labels);
  const netns = cluster.topology.netns(name);
  return {
    id: `container-${number}`,
    netns,
    name,
    options: { netns: netns.path, args: podArgs(pod) },
  };
}

async function add(pod: TestPod, more: CniOptions = {}): Promise<Record<string, never>> {
  const { status, output } = await node.cni("ADD", pod.id, { ...pod.options, ...more });
  assert.equal(status, 0, output);
  return JSON.parse(output) as Record<string, never>;
}

async function remove(pod: TestPod): Promise<void> {
  assert.deepEqual(await node.cni("DEL", pod.id, pod.options), { status: 0, output: "" });
}

/** Code and message of a command that fails. */
async function failure(command: string, id: string, options: CniOptions): Promise<string> {
  const { status, output } = await node.cni(command, id, options);
  assert.equal(status, 1, output);
  const { code, msg } = JSON.parse(output) as { code: number; msg: string };
  return `${code} ${msg}`;
}

async function endpoints(): Promise<EndpointView[]> {
  return (await node.get<EndpointView[]>("/v1/endpoint")).body;
}

/** The endpoint of a container, if there is one. */
async function endpointOf(containerId: string): Promise<EndpointView | undefined> {
  return (await endpoints()).find(({ container }) => container.id === containerId);
}

/** Everything on the node that an endpoint holds, to be the same before and after. */
async function holdings() {
  const { body: ipam } = await node.get<{ allocations: unknown[] }>("/v1/ipam");
  const { body: ips } = await node.get<unknown[]>("/v1/ip");
  return {
    endpoints: (await endpoints()).length,
    links: node.netns.rtnl.links.list().map((link) => link.name),
    states: readdirSync(join(node.runDir, "state")).toSorted(),
    pins: readdirSync(join(cluster.folder, "bpf/node-1/links")).toSorted(),
    addresses: ipam.allocations.length,
    ips: ips.length,
    descriptors: descriptors(),
  };
}

/** Open descriptors but sockets, of which the API client keeps as many as it finds good. */
function descriptors(): number {
  const folder = `/proc/${node.pid}/fd`;
  const isSocket = (fd: string) => {
    try {
      return readlinkSync(join(folder, fd)).startsWith("socket:");
    } catch {
      return true;
    }
  };
  return readdirSync(folder).filter((fd) => !isSocket(fd)).length;
}

test("ADD connects a pod at once, DEL leaves nothing of it", async () => {
  const first = await makePod();
  await add(first);
  await remove(first);
  const before = await holdings();
  const pod = await makePod();
  await add(pod);
  for (const address of ["172.18.0.2", "fc00:18::2"]) {
    const { status, stdout } = await pod.netns.exec("ping", ["-c1", "-W1", address]);
    assert.equal(status, 0, stdout);
  }
  const endpoint = await endpointOf(pod.id);
  assert.equal(endpoint?.state, "ready");
  assert.equal(endpoint.pod?.name, pod.name);
  await remove(pod);
  await remove(pod);
  assert.deepEqual(await holdings(), before);
});

test("ADD answers in the format of each specification version", async () => {
  const keys = (value: object) => Object.keys(value).join(" ");
  const shapes: string[] = [];
  for (const cniVersion of ["0.3.1", "0.4.0", "1.0.0", "1.1.0"]) {
    const pod = await makePod();
    const result = (await add(pod, { cniVersion })) as unknown as {
      cniVersion: string;
      interfaces: object[];
      ips: object[];
      routes: object[];
    };
    assert.equal(result.cniVersion, cniVersion);
    shapes.push(
      [result.interfaces[1], result.ips[0], result.routes[1]]
        .map((part) => keys(part ?? {}))
        .join(" | "),
    );
    await remove(pod);
  }
  assert.deepEqual(shapes, [
    "name mac sandbox | version address gateway interface | dst gw",
    "name mac sandbox | version address gateway interface | dst gw",
    "name mac sandbox | address gateway interface | dst gw",
    "name mac mtu sandbox | address gateway interface | dst gw mtu",
  ]);
});

test("sixty-four ADDs at once, and sixty-four DELs, all succeed and leave nothing", async () => {
  const many = await Promise.all(Array.from({ length: 64 }, () => makePod()));
  const before = await holdings();
  const results = await Promise.all(many.map((pod) => add(pod)));
  const addresses = results.flatMap(({ ips }) =>
    (ips as { address: string }[]).map(({ address }) => address),
  );
  assert.equal(new Set(addresses).size, 128);
  assert.ok((await endpoints()).every(({ state }) => state === "ready"));
  await Promise.all(many.map((pod) => remove(pod)));
  assert.deepEqual(await holdings(), before);
});

test("CHECK passes while all is as ADD left it, and says what is not", async () => {
  const pod = await makePod();
  const prevResult: unknown = await add(pod);
  const options = { ...pod.options, prevResult };
  assert.deepEqual(await node.cni("CHECK", pod.id, options), { status: 0, output: "" });
  assert.equal(await failure("CHECK", "another", options), "106 the container is not attached");
  pod.netns.rtnl.links.set("eth0", { up: false });
  assert.equal(
    await failure("CHECK", pod.id, options),
    "106 the container's interface is not as ADD left it",
  );
  pod.netns.rtnl.links.set("eth0", { up: true, name: "eth9" });
  assert.equal(await failure("CHECK", pod.id, options), "106 the container's interface is missing");
  await remove(pod);
});

test("GC removes what the runtime has forgotten, of its own network alone", async () => {
  const kept = await makePod();
  const forgotten = await makePod();
  const foreign = await makePod();
  await add(kept);
  await add(forgotten);
  await add(foreign, { name: "another" });
  const valid = { "cni.dev/valid-attachments": [{ containerID: kept.id, ifname: "eth0" }] };
  assert.deepEqual(await node.cni("GC", "none", valid), { status: 0, output: "" });
  const left = (await endpoints()).map(({ container }) => container.id);
  assert.deepEqual(left.toSorted(), [foreign.id, kept.id].toSorted());
  await remove(kept);
  await remove(foreign);
});

test("bad ADDs are refused with the reason and leave nothing", async () => {
  const pod = await makePod();
  const attached = await makePod();
  await add(attached);
  const before = await holdings();
  const { options } = pod;
  const unknownPod = "K8S_POD_NAMESPACE=default;K8S_POD_NAME=nobody;K8S_POD_UID=x";
  const rows: readonly (readonly [string, string, CniOptions, string])[] = [
    [
      "a namespace that is gone",
      pod.id,
      { ...options, netns: "/var/run/netns/nowhere" },
      "3 the container's network namespace is gone",
    ],
    [
      "a file for a namespace",
      pod.id,
      { ...options, netns: "/etc/hosts" },
      "8 CNI_NETNS is no container's network namespace",
    ],
    [
      "the node's own namespace",
      pod.id,
      { ...options, netns: node.netns.path },
      "8 CNI_NETNS is no container's network namespace",
    ],
    [
      "an attachment that exists",
      attached.id,
      attached.options,
      "104 the container is attached already",
    ],
    [
      "an interface that exists",
      pod.id,
      { ...attached.options, args: options.args ?? "" },
      "104 the container has an interface of that name already",
    ],
    [
      "an interface name that cannot be",
      pod.id,
      { ...options, ifName: "a/b" },
      "4 CNI_IFNAME is not valid",
    ],
    [
      "a pod nobody knows",
      pod.id,
      { ...options, args: unknownPod },
      "102 the API server knows no such pod",
    ],
    [
      "a pod's earlier UID",
      pod.id,
      { ...options, args: (options.args ?? "").replace(/UID=.*/, "UID=old") },
      "102 the pod was replaced by another of its name",
    ],
    [
      "another plugin's addresses",
      pod.id,
      { ...options, ipam: { type: "host-local" } },
      '2 ipam.type: "host-local"',
    ],
    [
      "a version of the future",
      pod.id,
      { ...options, cniVersion: "9.0.0" },
      '1 cniVersion "9.0.0"',
    ],
  ];
  for (const [what, id, more, expected] of rows) {
    assert.equal(await failure("ADD", id, more), expected, what);
  }
  assert.deepEqual(await holdings(), before);
  await remove(attached);
});

test("a container that is no pod gets the identity init", async () => {
  const netns = cluster.topology.netns("plain");
  assert.equal((await node.cni("ADD", "plain", { netns: netns.path })).status, 0);
  const endpoint = await endpointOf("plain");
  assert.deepEqual(endpoint?.identity, { id: 5, labels: ["reserved:init"] });
  assert.equal((await node.cni("DEL", "plain", {})).status, 0);
});

test("a plugin that is killed while it adds leaves nothing", async () => {
  const before = await holdings();
  const socket = connect(join(node.runDir, "tsilium.sock"));
  const pod = await makePod();
  const config = JSON.stringify({ cniVersion: "1.0.0", name: "tsilium" });
  const variables = [
    "CNI_COMMAND=ADD",
    `CNI_CONTAINERID=${pod.id}`,
    `CNI_NETNS=${pod.options.netns}`,
    "CNI_IFNAME=eth0",
    `CNI_ARGS=${pod.options.args}`,
  ];
  const body = `${variables.join("\0")}\0\0${config}`;
  socket.write(
    `POST /v1/cni HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    () => socket.destroy(),
  );
  await sleep(500);
  // The runtime deletes what it gave up on, whatever became of it.
  await remove(pod);
  assert.deepEqual(await holdings(), before);
});

test("garbage on the socket is answered with 400 and harms nobody", async () => {
  const pod = await makePod();
  await add(pod);
  const before = await holdings();
  for (const garbage of [
    "\0".repeat(100),
    "\xff\xfe",
    "GET /v1/../../etc/passwd",
    `POST /v1/cni HTTP/1.1\r\nContent-Length: 5\r\n\r\nhe`,
  ]) {
    const socket = connect(join(node.runDir, "tsilium.sock"));
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
    assert.equal((await node.get(path)).status, 400, path);
  }
  for (const path of ["/v1/endpoint/1234567", "/v1/identity/77777", "/v2"])
    assert.equal((await node.get(path)).status, 404, path);
  assert.deepEqual(await holdings(), before);
  await remove(pod);
});

test("every answer is as the OpenAPI document says", async () => {
  const pod = await makePod();
  await add(pod);
  const { body: document } = await node.get<OpenApi>("/v1/openapi.json");
  const endpoint = await endpointOf(pod.id);
  const samples: Record<string, string> = {
    "/v1/endpoint/{id}": `/v1/endpoint/${endpoint?.id}`,
    "/v1/identity/{id}": `/v1/identity/${endpoint?.identity.id}`,
    "/v1/ip/{address}": `/v1/ip/${endpoint?.addressing.ipv4}`,
  };
  const ajv = new Ajv2020({ strict: false, formats: { "date-time": true } });
  for (const [path, { get }] of Object.entries(document.paths)) {
    const schema = get?.responses["200"]?.content?.["application/json"]?.schema;
    if (!schema) continue;
    const { status, body } = await node.get(samples[path] ?? path);
    assert.equal(status, 200, path);
    assert.ok(ajv.validate(schema, body), `${path}: ${ajv.errorsText()}`);
  }
  await remove(pod);
});
type OpenApi = {
  paths: Record<
    string,
    { get?: { responses: Record<string, { content?: Record<string, { schema: object }> }> } }
  >;
};

test("the monitor shows a drop as it happens, with its reason and the packet in words", async () => {
  const pod = await makePod();
  await add(pod);
  const lines = node.stream("/v1/monitor");
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
  assert.equal(event.endpointId, (await endpointOf(pod.id))?.id);
  assert.match(event.summary, /10\.9\.9\.9/);
  await lines.return(undefined);
  await ping;
  await remove(pod);
});

test("health and metrics are served on loopback", async () => {
  const health = await node.netns.exec("curl", ["-s", "http://127.0.0.1:9879/healthz"]);
  assert.equal((JSON.parse(health.stdout) as { state: string }).state, "ok", health.stdout);
  const { stdout } = await node.netns.exec("curl", ["-s", "http://127.0.0.1:9962/metrics"]);
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
  const pod = await makePod({ app: "published" });
  await add(pod);
  const endpoint = await endpointOf(pod.id);
  const read = () =>
    cluster.client.get(resources.ciliumEndpoints, pod.name, { namespace: "default", signal });
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
  await cluster.client.patch(resources.ciliumEndpoints, pod.name, {
    namespace: "default",
    type: "merge",
    patch: { status: { identity: { id: 1 } } },
    signal,
  });
  await wanted("put right", isTrue);
  await cluster.client.delete(resources.ciliumEndpoints, pod.name, {
    namespace: "default",
    signal,
  });
  await wanted("made again", isTrue);
  await remove(pod);
  await wanted("withdrawn", async () =>
    read().then(
      () => false,
      () => true,
    ),
  );
});

test("a pod whose labels change gets another identity, and the barrier waits for it", async () => {
  const signal = AbortSignal.timeout(10_000);
  const pod = await makePod({ app: "before" });
  await add(pod);
  const before = await endpointOf(pod.id);
  const { metadata } = await cluster.client.patch(resources.pods, pod.name, {
    namespace: "default",
    type: "merge",
    patch: { metadata: { labels: { app: "after" } } },
    signal,
  });
  assert.equal(
    (await node.get(`/v1/barrier?resourceVersion=${metadata.resourceVersion}`)).status,
    204,
  );
  const changed = await endpointOf(pod.id);
  assert.notEqual(changed?.identity.id, before?.identity.id);
  assert.ok(changed?.identity.labels.includes("k8s:app=after"));
  assert.equal(changed.state, "ready");
  const { body: explained } = await node.get<{ identity: number; wins: boolean }[]>(
    `/v1/ip/${changed.addressing.ipv4}`,
  );
  assert.equal(explained[0]?.identity, changed.identity.id);
  await remove(pod);
});

test("DELs that came while the agent was away are replayed, and it keeps everything else", async () => {
  const kept = await makePod();
  const deleted = await makePod();
  await add(kept);
  await add(deleted);
  const before = await endpointOf(kept.id);
  const flood = kept.netns.exec("ping", ["-c", "500", "-i", "0.005", "172.18.0.2"]);
  await node.stop("SIGKILL");
  assert.deepEqual(await node.cni("DEL", deleted.id, deleted.options), { status: 0, output: "" });
  assert.equal(
    readdirSync(join(node.runDir, "deleteQueue")).filter((name) => name.endsWith(".cni")).length,
    1,
  );
  await node.start();
  assert.match((await flood).stdout, / 0% packet loss/);
  assert.deepEqual(await endpoints(), [before]);
  assert.deepEqual(
    deleted.netns.rtnl.links.list().map((link) => link.name),
    ["lo"],
  );
  assert.deepEqual(
    readdirSync(join(node.runDir, "deleteQueue")).filter((name) => name.endsWith(".cni")),
    [],
  );
  await remove(kept);
});

test("an agent that returns removes endpoints whose namespace or pod is gone, and half-made ones", async () => {
  const lostNamespace = await makePod();
  const lostPod = await makePod();
  const kept = await makePod();
  for (const pod of [lostNamespace, lostPod, kept]) await add(pod);
  const keptView = await endpointOf(kept.id);
  await node.stop("SIGKILL");
  removeNetns(lostNamespace.netns.name);
  await cluster.client.delete(resources.pods, lostPod.name, {
    namespace: "default",
    gracePeriodSeconds: 0,
    signal: AbortSignal.timeout(5000),
  });
  await node.start();
  const until = AbortSignal.timeout(5000);
  while ((await endpoints()).length !== 1 && !until.aborted) await sleep(20);
  assert.deepEqual(await endpoints(), [keptView]);
  await remove(kept);
});

test("while the API server is away running pods stay, known labels can be added, and nothing is lost", async () => {
  const running = await makePod({ app: "known" });
  const later = await makePod({ app: "known" });
  const stranger = await makePod({ app: "never-seen" });
  await add(running);
  await cluster.stopApi();
  await add(later);
  const { status } = await later.netns.exec("ping", ["-c1", "-W1", "172.18.0.2"]);
  assert.equal(status, 0);
  assert.equal(await failure("ADD", stranger.id, stranger.options), "11 it took too long");
  await node.stop("SIGKILL");
  await node.start();
  assert.equal((await endpoints()).length, 2);
  await remove(later);
  await cluster.startApi();
  await add(stranger);
  await remove(stranger);
  await remove(running);
});

test("a stopped agent lets go of its socket, and what is in the kernel stays", async () => {
  const pod = await makePod();
  await add(pod);
  await node.stop("SIGTERM");
  assert.equal(existsSync(join(node.runDir, "tsilium.sock")), false);
  const { status } = await pod.netns.exec("ping", ["-c1", "-W1", "172.18.0.2"]);
  assert.equal(status, 0);
  assert.equal(await failure("STATUS", "none", {}), "50 the Tsilium agent does not answer");
  await node.start();
  await remove(pod);
});

test("no error was logged that nobody asked for", () => {
  const lines = readFileSync(join(cluster.folder, "node-1.log"), "utf8").trim().split("\n");
  const severe = lines
    .map((line) => JSON.parse(line) as { level: string; msg: string })
    .filter(({ level }) => level === "error" || level === "fatal");
  assert.deepEqual(severe, []);
});
