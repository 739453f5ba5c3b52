// Services as they are shown.
import assert from "node:assert/strict";
import { test } from "node:test";
import { decideService } from "./decide/service.ts";
import { contextWith, endpoint, notReady, service, slice, terminating } from "./testing/build.ts";
import { serve } from "./testing/serve.ts";
import { allServiceRows, serviceRows } from "./views.ts";

const context = contextWith({ facts: { addresses: [] }, settings: { enableIpv6: false } });

test("a frontend is shown with its number, whom it goes to, and who only keeps what it has", () => {
  const { book, set } = serve();
  const decided = decideService(
    service({ spec: { ports: [{ name: "http", port: 80 }], sessionAffinity: "ClientIP" } }),
    [
      slice(
        [
          "10.244.1.1",
          endpoint("10.244.2.1", terminating),
          endpoint("10.244.3.1", { ...notReady, zone: "c" }),
        ],
        {
          ports: [{ name: "http", port: 8080 }],
        },
      ),
    ],
    context,
  );
  set(decided);
  const backend = (id: number, address: string, state: string) => ({
    id,
    address,
    port: 8080,
    protocol: "TCP",
    state,
    nodeName: `node-${address.split(".")[2]}`,
    ...(address === "10.244.3.1" ? { zone: "c" } : {}),
    weight: 100,
  });
  assert.ok(decided);
  assert.deepEqual(serviceRows(book, decided), [
    {
      id: 1,
      frontend: { address: "10.96.0.10", port: 80, protocol: "TCP" },
      type: "ClusterIP",
      name: "web",
      namespace: "shop",
      portName: "http",
      flags: {
        externalTrafficPolicy: "Cluster",
        internalTrafficPolicy: "Cluster",
        sessionAffinityTimeout: 10_800,
        algorithm: "random",
        forwardingMode: "snat",
        localRedirect: false,
      },
      backends: [
        backend(1, "10.244.1.1", "active"),
        backend(2, "10.244.2.1", "terminating"),
        backend(3, "10.244.3.1", "maintenance"),
      ],
    },
  ]);
});

test("clients from outside are shown apart where they get others", () => {
  const { book, set } = serve();
  set(
    decideService(
      service({
        spec: {
          type: "NodePort",
          ports: [{ port: 80, nodePort: 30_080 }],
          externalTrafficPolicy: "Local",
        },
      }),
      [slice(["10.244.1.1", "10.244.2.1"])],
      context,
    ),
  );
  const shown = allServiceRows(book).map(({ type, frontend, backends, externalBackends }) => [
    type,
    frontend.address,
    backends.length,
    externalBackends?.length,
  ]);
  assert.deepEqual(shown, [
    ["ClusterIP", "10.96.0.10", 2, undefined],
    ["NodePort", "0.0.0.0", 2, 1],
  ]);
});

test("a frontend that another service has is not shown as this one's", () => {
  const { book, set } = serve();
  const parts = { spec: { externalIPs: ["203.0.113.7"] } };
  const younger = decideService(
    service({ name: "late", age: 2_000_000, spec: { ...parts.spec, clusterIP: "10.96.0.11" } }),
    [],
    context,
  );
  set(decideService(service(parts), [], context), younger);
  assert.ok(younger);
  assert.deepEqual(
    serviceRows(book, younger).map(({ type }) => type),
    ["ClusterIP"],
  );
});
