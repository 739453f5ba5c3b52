import assert from "node:assert/strict";
import { test } from "node:test";
import type { Pod } from "@tsilium/kube";
import { Address } from "@tsilium/net";
import { exampleEndpoint } from "@tsilium/endpoint/testing/endpoint.ts";
import type { Applied } from "./writer.ts";
import { nodeName, service, slice, TestEngine } from "./testing/engine.ts";
import { MemoryKernel } from "./testing/memory-kernel.ts";

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

test("nothing is written before all is known, and all of it then", async () => {
  using node = new TestEngine();
  node.serve("web", "10.96.0.10", ["10.244.0.1"]);
  await nextTurn();
  assert.equal(node.kernel.applies, 0);
  assert.equal(node.engine.stage.lag(), "waiting for all services and endpoints");
  node.slices.upsert(slice("web", ["10.244.0.1", "10.244.0.2"]));
  node.engine.complete();
  assert.deepEqual(await node.show(), ["10.96.0.10:80/TCP -> 10.244.0.1:8080 10.244.0.2:8080"]);
  assert.equal(node.engine.stage.lag(), undefined);
});

test("what changes within a turn is written once, by the last word on it", async () => {
  const batches: string[] = [];
  const onApplied = ({ keys }: Applied) =>
    void batches.push(keys.map(({ key, action }) => `${action} ${key}`).join(", "));
  using node = new TestEngine({ onApplied });
  node.engine.complete();
  await node.settled();
  node.serve("web", "10.96.0.10", ["10.244.0.1"]);
  node.serve("db", "10.96.0.11", ["10.244.0.3"]);
  node.slices.upsert(slice("web", ["10.244.0.2"]));
  assert.deepEqual(await node.show(), [
    "10.96.0.10:80/TCP -> 10.244.0.2:8080",
    "10.96.0.11:80/TCP -> 10.244.0.3:8080",
  ]);
  node.services.delete("shop/db");
  node.slices.upsert(slice("web", []));
  assert.deepEqual(await node.show(), ["10.96.0.10:80/TCP ->"]);
  // In as few batches as fit into a slice of the event loop: on a busy machine, not always one.
  assert.equal(
    batches.filter((batch) => batch !== "").join(", "),
    "add shop/web, add shop/db, delete shop/db, update shop/web",
  );
});

test("an agent that returns keeps the numbers of what it finds, and removes what is nobody's once all is decided", async () => {
  const kernel = new MemoryKernel();
  {
    using first = new TestEngine({ kernel });
    first.serve("web", "10.96.0.10", ["10.244.0.1"]);
    first.serve("old", "10.96.0.11", ["10.244.0.2"]);
    first.engine.complete();
    await first.settled();
  }
  const idOf = () => kernel.frontends.get("10.96.0.10:80/TCP")?.id;
  const before = [idOf(), [...kernel.backends.values()].find(({ port }) => port === 8080)?.id];
  kernel.applies = 0;
  using second = new TestEngine({ kernel });
  assert.equal(second.engine.status.serving, true);
  second.serve("web", "10.96.0.10", ["10.244.0.1"]);
  await nextTurn();
  assert.equal(kernel.show().length, 4);
  second.engine.complete();
  assert.deepEqual(await second.show(), ["10.96.0.10:80/TCP -> 10.244.0.1:8080"]);
  assert.deepEqual([idOf(), [...kernel.backends.keys()][0]], before);
  assert.equal(kernel.backends.size, 1);
});

test("a thousand services are written in slices that leave room for other work", async () => {
  using node = new TestEngine();
  for (let index = 0; index < 1000; index++)
    node.serve(`s${index}`, `10.96.${index >> 8}.${index & 255}`, [`10.244.0.${index & 127}`]);
  let turns = 0;
  let isOver = false;
  const other = (async () => {
    while (!isOver) {
      await nextTurn();
      turns++;
    }
  })();
  const begunMs = performance.now();
  node.engine.complete();
  await node.settled();
  const tookMs = performance.now() - begunMs;
  isOver = true;
  await other;
  // A slice is 10 ms: how many there are follows from the time that all took, on a busy machine too.
  assert.ok(turns > tookMs / 50, `${turns} turns in ${tookMs} ms`);
  assert.ok(turns > 3, `${turns} turns`);
  assert.equal((await node.show()).length, 1000);
});

test("a service that does not fit is left out and named, and served once there is room", async () => {
  using node = new TestEngine();
  node.kernel.room = 2;
  node.serve("big", "10.96.0.9", ["10.244.0.1", "10.244.0.2", "10.244.0.3"]);
  node.serve("web", "10.96.0.10", ["10.244.1.1"]);
  node.serve("db", "10.96.0.11", ["10.244.1.2"]);
  node.engine.complete();
  while (node.engine.status.refused.length === 0) await nextTurn();
  while (node.engine.status.stale > 0) await nextTurn();
  const served = node.kernel.show().filter((line) => !line.includes("ANY"));
  assert.deepEqual(served, [
    "10.96.0.10:80/TCP -> 10.244.1.1:8080",
    "10.96.0.11:80/TCP -> 10.244.1.2:8080",
  ]);
  assert.equal(node.engine.stage.lag(), "shop/big refused: tsi_lb_backend has no room");
  node.services.delete("shop/db");
  node.kernel.room = 4;
  assert.deepEqual(await node.show(), [
    "10.96.0.10:80/TCP -> 10.244.1.1:8080",
    "10.96.0.9:80/TCP -> 10.244.0.1:8080 10.244.0.2:8080 10.244.0.3:8080",
  ]);
  assert.deepEqual(node.engine.status.refused, []);
});

test("a change that does not fit leaves a service as it was, and others go on changing", async () => {
  using node = new TestEngine();
  node.kernel.room = 2;
  node.serve("web", "10.96.0.10", ["10.244.0.1"]);
  node.serve("db", "10.96.0.11", ["10.244.1.1"]);
  node.engine.complete();
  await node.settled();
  node.slices.upsert(slice("web", ["10.244.0.1", "10.244.0.2"]));
  while (node.engine.status.refused.length === 0) await nextTurn();
  node.slices.upsert(slice("db", []));
  while (node.kernel.show().some((line) => line.includes("10.244.1.1"))) await nextTurn();
  assert.deepEqual(await node.show(), [
    "10.96.0.10:80/TCP -> 10.244.0.1:8080 10.244.0.2:8080",
    "10.96.0.11:80/TCP ->",
  ]);
});

test("what was full and could be made larger takes all at the second attempt", async () => {
  const kernel = new MemoryKernel();
  kernel.room = 1;
  const grow = () => {
    kernel.room = 100;
    return true;
  };
  using node = new TestEngine({ kernel, grow });
  node.serve("web", "10.96.0.10", ["10.244.0.1", "10.244.0.2"]);
  node.engine.complete();
  assert.equal((await node.show()).length, 1);
  assert.deepEqual(node.engine.status.refused, []);
});

test("a kernel that takes nothing keeps what it has, and gets all that came since when it does again", async () => {
  using node = new TestEngine();
  node.serve("web", "10.96.0.10", ["10.244.0.1"]);
  node.engine.complete();
  await node.settled();
  node.kernel.refusal = new Error("EPERM");
  node.slices.upsert(slice("web", ["10.244.0.2"]));
  while (node.engine.status.failing === undefined) await nextTurn();
  node.serve("db", "10.96.0.11", ["10.244.0.3"]);
  await nextTurn();
  assert.match(String(node.kernel.show()), /10\.96\.0\.10:80\/TCP -> 10\.244\.0\.1:8080/);
  assert.match(String(node.engine.stage.lag()), /^failing: EPERM$/);
  node.kernel.refusal = undefined;
  assert.deepEqual(await node.show(), [
    "10.96.0.10:80/TCP -> 10.244.0.2:8080",
    "10.96.0.11:80/TCP -> 10.244.0.3:8080",
  ]);
});

test("an agent that returns to a kernel that takes nothing takes nothing from it either", async () => {
  const kernel = new MemoryKernel();
  {
    using first = new TestEngine({ kernel });
    first.serve("web", "10.96.0.10", ["10.244.0.1"]);
    first.engine.complete();
    await first.settled();
  }
  kernel.refusal = new Error("EPERM");
  using second = new TestEngine({ kernel });
  second.serve("web", "10.96.0.10", ["10.244.0.2"]);
  second.engine.complete();
  while (second.engine.status.failing === undefined) await nextTurn();
  kernel.refusal = undefined;
  assert.deepEqual(await second.show(), ["10.96.0.10:80/TCP -> 10.244.0.2:8080"]);
});

test("the kernel was up to date until the moment that something became stale", async () => {
  using node = new TestEngine();
  node.engine.complete();
  await node.settled();
  await new Promise((resolve) => setTimeout(resolve, 30));
  const beforeMs = Date.now();
  node.serve("web", "10.96.0.10", []);
  const { stale, lastUpdatedMs } = node.engine.status;
  assert.ok(stale > 0 && lastUpdatedMs >= beforeMs, `${stale} ${lastUpdatedMs - beforeMs}`);
});

test("more sets than there are numbers for are served when there are more numbers", async () => {
  using node = new TestEngine({ maxSets: 1 });
  node.serve("web", "10.96.0.10", ["10.244.0.1"]);
  node.serve("db", "10.96.0.11", ["10.244.0.2"]);
  node.engine.complete();
  assert.equal((await node.show()).length, 1);
  assert.match(String(node.engine.warnings.get("shop/db")?.[0]?.message), /sets are in use/);
  node.book.raiseMaxSets(2);
  node.slices.upsert(slice("web", ["10.244.0.1", "10.244.0.3"]));
  assert.deepEqual(await node.show(), [
    "10.96.0.10:80/TCP -> 10.244.0.1:8080 10.244.0.3:8080",
    "10.96.0.11:80/TCP -> 10.244.0.2:8080",
  ]);
  assert.equal(node.engine.warnings.size, 0);
});

test("objects that make no sense serve nothing and keep nobody from being served", async () => {
  using node = new TestEngine();
  const metadata = { name: "odd", namespace: "shop" };
  for (const [index, spec] of [undefined, null, 7, { ports: "x" }, { clusterIPs: [{}] }].entries())
    node.services.upsert({ metadata: { ...metadata, name: `odd-${index}` }, spec: spec as never });
  const labels = { "kubernetes.io/service-name": "web" };
  node.slices.upsert({
    metadata: { name: "odd", namespace: "shop", labels },
    addressType: "IPv4",
    endpoints: [{ addresses: [7 as never] }, null as never],
    ports: [{ port: -1 }],
  });
  node.pods.upsert({ metadata: { name: "odd", namespace: "shop" }, spec: undefined as never });
  node.redirects.upsert({ metadata: { name: "odd", namespace: "shop" }, spec: 7 as never });
  node.serve("web", "10.96.0.10", ["10.244.0.1"]);
  node.engine.complete();
  assert.deepEqual(await node.show(), ["10.96.0.10:80/TCP -> 10.244.0.1:8080"]);
  // Other nodes' addresses are held against those of all of them.
  node.nodes.upsert({
    name: "node-2",
    local: false,
    ipv4: Address.parse("172.18.0.3"),
    ipv6: undefined,
    routerIpv4: undefined,
    routerIpv6: undefined,
    podCidrs: [],
    labels: {},
  });
  assert.equal((await node.show()).length, 1);
});

test("what an object asks for and does not get is told as long as it is so", async () => {
  using node = new TestEngine();
  node.serve("web", "10.96.0.10", []);
  node.services.upsert(service("thief", "10.96.0.12", { externalIPs: ["10.96.0.10"] }));
  node.engine.complete();
  await node.settled();
  assert.deepEqual([...node.engine.warnings.keys()], ["shop/thief"]);
  assert.equal(node.engine.warnings.get("shop/thief")?.[0]?.path, "spec.externalIPs[0]");
  node.services.delete("shop/web");
  await node.settled();
  assert.equal(node.engine.warnings.size, 0);
});

test("who has to wait for a number gets it when another gives it back", async () => {
  using node = new TestEngine({ maxSets: 1 });
  node.serve("web", "10.96.0.10", ["10.244.0.1"]);
  node.engine.complete();
  await node.settled();
  node.services.delete("shop/web");
  node.serve("db", "10.96.0.11", ["10.244.0.2"]);
  assert.deepEqual(await node.show(), ["10.96.0.11:80/TCP -> 10.244.0.2:8080"]);
  assert.equal(node.engine.warnings.size, 0);
});

const dnsPod: Pod = {
  metadata: { name: "dns", namespace: "shop", labels: { app: "dns" } },
  spec: {
    nodeName,
    containers: [{ name: "dns", ports: [{ containerPort: 8080, hostPort: 5300 }] }],
  },
  status: {
    phase: "Running",
    podIPs: [{ ip: "10.244.0.53" }],
    conditions: [{ type: "Ready", status: "True" }],
  },
};

test("host ports follow this node's pods and its addresses", async () => {
  using node = new TestEngine();
  node.pods.upsert(dnsPod);
  node.engine.complete();
  const hostPort = (address: string) => `${address}:5300/TCP -> 10.244.0.53:8080`;
  // 0.0.0.0: any address of the node, for sockets.
  assert.deepEqual(await node.show(), ["0.0.0.0", "172.18.0.2"].map(hostPort));
  node.ownAddresses.upsert(Address.parse("192.0.2.1"));
  assert.deepEqual(await node.show(), ["0.0.0.0", "172.18.0.2", "192.0.2.1"].map(hostPort));
  node.pods.delete("shop/dns");
  assert.deepEqual(await node.show(), []);
});

test("a redirected service goes to this node's pods while there are any", async () => {
  using node = new TestEngine();
  node.serve("web", "10.96.0.10", ["10.244.1.1"]);
  node.redirects.upsert({
    metadata: { name: "local", namespace: "shop" },
    spec: {
      redirectFrontend: { serviceMatcher: { serviceName: "web", namespace: "shop" } },
      redirectBackend: {
        localEndpointSelector: { matchLabels: { app: "dns" } },
        toPorts: [{ port: "8080", protocol: "TCP" }],
      },
    },
  });
  node.engine.complete();
  const remote = ["10.96.0.10:80/TCP -> 10.244.1.1:8080"];
  assert.deepEqual(await node.show(), remote);
  const pod = {
    ...dnsPod,
    spec: { nodeName, containers: [{ name: "dns", ports: [{ containerPort: 8080 }] }] },
  };
  node.pods.upsert(pod);
  node.endpoints.upsert(exampleEndpoint({ podName: "dns", netnsCookie: 7n }));
  const local = ["10.96.0.10:80/TCP -> 10.244.0.53:8080"];
  assert.deepEqual(await node.show(), local);
  node.pods.upsert({ ...pod, status: { ...pod.status, conditions: [] } });
  assert.deepEqual(await node.show(), remote);
  node.pods.upsert(pod);
  assert.deepEqual(await node.show(), local);
  node.redirects.delete("shop/local");
  assert.deepEqual(await node.show(), remote);
});

test("a node that comes to another zone decides all of its services anew", async () => {
  using node = new TestEngine({ flags: ["--enable-service-topology"] });
  const endpoints = ["a", "b"].map((zone, index) => ({
    addresses: [`10.244.0.${index + 1}`],
    hints: { forZones: [{ name: zone }] },
  }));
  node.slices.upsert({ ...slice("web", []), endpoints });
  node.services.upsert(service("web", "10.96.0.10", { trafficDistribution: "PreferClose" }));
  const inZone = (zone: string) =>
    node.ownNode.upsert({
      metadata: { name: nodeName, labels: { "topology.kubernetes.io/zone": zone } },
    });
  inZone("a");
  node.engine.complete();
  assert.deepEqual(await node.show(), ["10.96.0.10:80/TCP -> 10.244.0.1:8080"]);
  inZone("b");
  assert.deepEqual(await node.show(), ["10.96.0.10:80/TCP -> 10.244.0.2:8080"]);
});

test("who ends sockets hears of backends when no service has them any more", async () => {
  const gone: string[] = [];
  using node = new TestEngine({
    onBackendsGone: (backends) => void gone.push(...backends.map(({ address }) => `${address}`)),
  });
  node.serve("web", "10.96.0.10", ["10.244.0.1", "10.244.0.2"]);
  node.serve("db", "10.96.0.11", ["10.244.0.2"]);
  node.engine.complete();
  await node.settled();
  node.slices.upsert(slice("web", []));
  await node.settled();
  assert.deepEqual(gone, ["10.244.0.1"]);
  node.services.delete("shop/db");
  await node.settled();
  assert.deepEqual(gone, ["10.244.0.1", "10.244.0.2"]);
});
