import assert from "node:assert/strict";
import { test } from "node:test";
import type { ServiceView } from "../api.ts";
import { serviceLines } from "./service-lines.ts";

const service: ServiceView = {
  id: 4,
  frontend: { address: "fc00:18::2", port: 30080, protocol: "TCP" },
  type: "NodePort",
  name: "web",
  namespace: "demo",
  portName: "http",
  flags: {
    externalTrafficPolicy: "Local",
    internalTrafficPolicy: "Cluster",
    sessionAffinityTimeout: 0,
    algorithm: "random",
    forwardingMode: "snat",
    localRedirect: false,
  },
  backends: [
    { id: 7, address: "fd00:10:244::7", port: 80, protocol: "TCP", state: "active" },
    { id: 8, address: "fd00:10:244:1::8", port: 80, protocol: "TCP", state: "terminating" },
  ],
};

const lines = (view: ServiceView) =>
  serviceLines(view).map(({ id, frontend, type, backend, name }) =>
    [id, frontend, type, backend, name].join(" | "),
  );

test("a service has a line for each backend, with its number and state", () => {
  assert.deepEqual(lines(service), [
    "4 | [fc00:18::2]:30080/TCP | NodePort | 7 => [fd00:10:244::7]:80/TCP (active) | demo/web:http",
    " |  |  | 8 => [fd00:10:244:1::8]:80/TCP (terminating) | ",
  ]);
});

test("scopes that differ have lines of their own, also without backends", () => {
  const [first] = service.backends;
  assert.deepEqual(
    lines({ ...service, backends: first ? [first] : [], externalBackends: [], portName: "" }),
    [
      "4 | [fc00:18::2]:30080/TCP | NodePort |  | demo/web",
      "4 | [fc00:18::2]:30080/TCP/i | NodePort | 7 => [fd00:10:244::7]:80/TCP (active) | demo/web",
    ],
  );
});
