import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createLog } from "@tsilium/runtime";
import { HealthCheckPorts } from "./ports.ts";
import type { CheckedService } from "./server.ts";

const log = createLog({ level: "fatal", base: {} });

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const probe = createServer().listen(0);
  await once(probe, "listening");
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

function setUp() {
  let healthy = true;
  const ports = new HealthCheckPorts({
    isProxyHealthy: () => healthy,
    hosts: () => [undefined],
    log,
    retryMs: 10,
  });
  const setHealthy = (value: boolean) => (healthy = value);
  return { ports, setHealthy };
}

async function ask(port: number, host = "127.0.0.1") {
  const response = await fetch(`http://${host}:${port}/whatever`);
  return {
    status: response.status,
    weight: response.headers.get("x-load-balancing-endpoint-weight"),
    body: await response.json(),
  };
}

const web = { namespace: "shop", name: "web" };

function checked(port: number, localEndpoints: number, service = web): CheckedService {
  return {
    ...service,
    key: `${service.namespace}/${service.name}`,
    createdMs: 0,
    yields: false,
    clusterIps: [],
    frontends: [],
    pools: [],
    healthCheck: { port, localEndpoints },
    externalTrafficPolicy: "Local",
    internalTrafficPolicy: "Cluster",
    warnings: [],
  };
}

test("a port tells how many endpoints the node has, on both families, and 503 for none", async () => {
  const port = await freePort();
  const { ports, setHealthy } = setUp();
  await using _ = ports;
  ports.set("shop/web", checked(port, 2));
  await ports.settled();
  const healthy = {
    status: 200,
    weight: "2",
    body: { service: web, localEndpoints: 2, serviceProxyHealthy: true },
  };
  assert.deepEqual(await ask(port), healthy);
  assert.deepEqual(await ask(port, "[::1]"), healthy);
  ports.set("shop/web", checked(port, 0));
  assert.deepEqual(await ask(port), {
    status: 503,
    weight: "0",
    body: { service: web, localEndpoints: 0, serviceProxyHealthy: true },
  });
  setHealthy(false);
  ports.set("shop/web", checked(port, 1));
  assert.deepEqual(await ask(port), {
    status: 503,
    weight: "1",
    body: { service: web, localEndpoints: 1, serviceProxyHealthy: false },
  });
});

test("a port closes with its service, and may be another's at once", async () => {
  const port = await freePort();
  const { ports } = setUp();
  await using _ = ports;
  ports.set("shop/web", checked(port, 1));
  ports.set("shop/web", undefined);
  ports.set("shop/db", checked(port, 1, { namespace: "shop", name: "db" }));
  await ports.settled();
  assert.deepEqual([ports.problems(), ports.size], [[], 1]);
  const { body } = await ask(port);
  assert.deepEqual((body as { service: object }).service, { namespace: "shop", name: "db" });
  ports.set("shop/db", undefined);
  await ports.settled();
  await assert.rejects(ask(port));
});

test("a port that is in use is a problem until it is free", async () => {
  const blocker = createServer().listen(0);
  await once(blocker, "listening");
  const { port } = blocker.address() as AddressInfo;
  const { ports } = setUp();
  await using _ = ports;
  ports.set("shop/web", checked(port, 1));
  await ports.settled();
  assert.deepEqual(ports.problems(), [
    `shop/web: healthCheckNodePort ${port}: another process listens there`,
  ]);
  await new Promise((resolve) => blocker.close(resolve));
  while (ports.problems().length > 0) await sleep(5);
  assert.equal((await ask(port)).status, 200);
});

test("a port whose service moves to another port while it is in use is let go of", async () => {
  const blocker = createServer().listen(0);
  await once(blocker, "listening");
  const { port } = blocker.address() as AddressInfo;
  const { ports } = setUp();
  await using _ = ports;
  ports.set("shop/web", checked(port, 1));
  const other = await freePort();
  ports.set("shop/web", checked(other, 1));
  await ports.settled();
  assert.deepEqual(ports.problems(), []);
  assert.equal((await ask(other)).status, 200);
  await new Promise((resolve) => blocker.close(resolve));
  await sleep(50);
  await assert.rejects(ask(port));
});
