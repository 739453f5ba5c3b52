// Objects that hold anything: nothing throws, nothing of one object harms another, and what comes of it a kernel can hold.
import assert from "node:assert/strict";
import { test } from "node:test";
import { repeat, type Random } from "@tsilium/testkit";
import { decideHostPorts } from "./decide/host-ports.ts";
import { decideRedirect } from "./decide/redirect.ts";
import { decideService } from "./decide/service.ts";
import { sliceService } from "./kube/slice.ts";
import { redirectedService } from "./kube/redirect-policy.ts";
import type { DecidedService } from "./model.ts";
import { context, endpoint, pod, service, slice } from "./testing/build.ts";
import { KernelTables } from "./testing/kernel.ts";
import { serve } from "./testing/serve.ts";
import { allServiceRows } from "./views.ts";

const policy = {
  metadata: { name: "local", namespace: "shop" },
  spec: {
    redirectFrontend: {
      addressMatcher: {
        ip: "169.254.20.10",
        toPorts: [{ port: "53", protocol: "UDP", name: "dns" }],
      },
    },
    redirectBackend: {
      localEndpointSelector: { matchExpressions: [{ key: "app", operator: "In", values: ["a"] }] },
      toPorts: [{ port: "53", protocol: "UDP" }],
    },
    skipRedirectFromBackend: true,
  },
};

const samples = {
  service: service({
    annotations: {
      "service.cilium.io/lb-algorithm": "maglev",
      "service.cilium.io/node-selector": "a in (b)",
    },
    spec: {
      type: "LoadBalancer",
      clusterIPs: ["10.96.0.10", "fd00:10:96::a"],
      ipFamilies: ["IPv4", "IPv6"],
      externalIPs: ["203.0.113.7"],
      loadBalancerSourceRanges: ["192.0.2.0/24"],
      sessionAffinity: "ClientIP",
      sessionAffinityConfig: { clientIP: { timeoutSeconds: 5 } },
      ports: [{ name: "a", port: 80, nodePort: 30_080, protocol: "TCP" }],
    },
    ingress: [{ ip: "203.0.113.8", ipMode: "VIP" }],
  }),
  slice: slice([endpoint("10.244.1.1", { hints: { forZones: [{ name: "a" }] }, zone: "a" })], {
    ports: [{ name: "a", port: 8080, protocol: "TCP" }],
    annotations: { "service.cilium.io/weight": "5" },
  }),
  pod: pod({
    labels: { app: "a" },
    ports: [{ containerPort: 53, protocol: "UDP", hostPort: 53, hostIP: "172.18.0.2" }],
  }),
  policy,
};

const junk = (random: Random): unknown =>
  random.pick<unknown>([
    null,
    undefined,
    0,
    -1,
    1.5,
    65_536,
    Number.NaN,
    "",
    "x",
    "::",
    "0.0.0.0",
    "10.96.0.10",
    "::ffff:10.0.0.1",
    "fe80::1%eth0",
    "999999999999",
    "__proto__",
    true,
    [],
    [null],
    [[]],
    {},
    { a: 1 },
    { toString: null },
    Symbol.iterator,
    1n,
    "\u0000\n\u001b[31m",
    "a/b:c",
    "x".repeat(10_000),
    () => undefined,
  ]);

/** A copy in which something somewhere is something else. */
function damaged(value: unknown, random: Random): unknown {
  if (random.chance(0.06)) return junk(random);
  if (Array.isArray(value)) {
    const items = value.map((item) => damaged(item, random));
    if (random.chance(0.1)) items.push(junk(random));
    return items;
  }
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, damaged(item, random)]),
  );
}

test("damaged objects decide without throwing, and what they decide can be served", () => {
  repeat({ runs: 1500 }, (random) => {
    const { book, kernel, set, remove } = serve();
    const good = decideService(
      service({ name: "good", spec: { clusterIP: "10.96.0.99" } }),
      [],
      context,
    );
    set(good);
    const pods = [samples.pod, damaged(samples.pod, random)].map((each) => ({
      pod: each as typeof samples.pod,
      netnsCookie: 5n,
    }));
    const policies = [damaged(policy, random), junk(random)] as (typeof policy)[];
    const slices = [samples.slice, damaged(samples.slice, random), junk(random)];
    for (const each of [...slices, ...policies]) {
      sliceService(each);
      redirectedService(each);
    }
    const decided: (DecidedService | undefined)[] = [
      decideService(damaged(samples.service, random), slices, {
        ...context,
        redirects: policies as [],
        localPods: pods,
      }),
      decideHostPorts(damaged(samples.pod, random), context),
      ...policies.map((each) => decideRedirect(each, { ...context, localPods: pods })),
      decideService(junk(random), slices, context),
    ];
    for (const each of decided) {
      assert.equal(
        new Set(each?.frontends.map(({ key }) => key)).size,
        each?.frontends.length ?? 0,
      );
      set(each);
    }
    assert.ok(kernel.frontends.has("10.96.0.99:80/TCP"), "another service is as it was");
    JSON.stringify(allServiceRows(book));
    for (const each of book.services()) book.warnings(each.key);
    remove(...[...book.services()].map(({ key }) => key));
    assert.deepEqual(kernel.survey(), new KernelTables().survey());
  });
});

test("objects with very many faults are told of few, and soon", () => {
  const many = Array.from({ length: 20_000 }, () => "no address");
  const decided = decideService(service({ spec: { externalIPs: many } }), [], context);
  assert.ok((decided?.warnings.length ?? 0) <= 64);
});
