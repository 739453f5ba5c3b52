// Requests in tests of policies, in explanations and in diffs.
import assert, { AssertionError } from "node:assert/strict";
import { test } from "node:test";
import { testCluster } from "../compiler/cluster.ts";
import { TestError } from "../error.ts";
import { expect } from "../expect.ts";
import { parseTestFile } from "../files/load.ts";
import { runTestFile } from "../files/run.ts";
import { namespace } from "../manifests/pods.ts";
import type { ConnectionOptions } from "../model.ts";
import { explainRequest } from "./judge.ts";
import { parseRequest, requestName } from "./request.ts";

const api = {
  apiVersion: "cilium.io/v2",
  kind: "CiliumNetworkPolicy",
  metadata: { name: "api", namespace: "shop" },
  spec: {
    endpointSelector: { matchLabels: { app: "backend" } },
    ingress: [
      {
        fromEndpoints: [{ matchLabels: { app: "frontend" } }],
        toPorts: [
          {
            ports: [{ port: "80", protocol: "TCP" }],
            rules: {
              http: [
                { method: "GET", path: "/public/.*" },
                { method: "PUT", path: "/x", headers: ["X-Token: t"] },
              ],
            },
          },
        ],
      },
    ],
  },
};
const kafka = {
  ...api,
  metadata: { name: "kafka", namespace: "shop" },
  spec: {
    endpointSelector: { matchLabels: { app: "backend" } },
    ingress: [
      {
        toPorts: [
          {
            ports: [{ port: "9092", protocol: "TCP" }],
            rules: { kafka: [{ role: "produce", topic: "orders" }] },
          },
        ],
      },
    ],
  },
};
const names = {
  ...api,
  metadata: { name: "names", namespace: "shop" },
  spec: {
    endpointSelector: { matchLabels: { app: "frontend" } },
    enableDefaultDeny: { egress: false },
    egress: [
      {
        toPorts: [
          { ports: [{ port: "53" }], rules: { dns: [{ matchPattern: "*.example.com" }] } },
          { ports: [{ port: "443", protocol: "TCP" }], serverNames: ["api.example.com"] },
        ],
      },
    ],
  },
};

const make = () =>
  testCluster({
    manifests: [namespace("shop"), api, kafka, names],
    pods: {
      "shop/frontend": { labels: { app: "frontend" } },
      "shop/backend": { labels: { app: "backend" } },
      "shop/other": { labels: { app: "other" } },
    },
  });

type Row = [from: string, to: string, port: number | string, ConnectionOptions, reached: boolean];
const rows: Row[] = [
  ["frontend", "backend", 80, {}, true],
  ["frontend", "backend", 80, { http: "GET /public/a" }, true],
  ["frontend", "backend", 80, { http: "GET /public/../secret" }, false],
  ["frontend", "backend", 80, { http: "GET /public/..%2fsecret" }, false],
  ["frontend", "backend", 80, { http: "POST /public/a" }, false],
  [
    "frontend",
    "backend",
    80,
    { http: { method: "PUT", path: "/x", headers: { "x-token": "t" } } },
    true,
  ],
  [
    "frontend",
    "backend",
    80,
    { http: { method: "PUT", path: "/x", headers: ["X-Token: u"] } },
    false,
  ],
  ["other", "backend", 80, { http: "GET /public/a" }, false],
  ["other", "frontend", 80, { http: "GET /anything" }, true],
  ["other", "backend", 9092, { kafka: "produce orders" }, true],
  ["other", "backend", 9092, { kafka: "apiversions" }, true],
  ["other", "backend", 9092, { kafka: "produce orders bills" }, false],
  ["other", "backend", 9092, { kafka: "metadata *" }, false],
  ["other", "backend", 9092, { kafka: "fetch orders" }, false],
  ["other", "backend", 9092, { http: "GET /" }, false],
  ["frontend", "other", "53/udp", { dns: "www.Example.com." }, true],
  ["frontend", "other", "53/udp", { dns: "example.com" }, false],
  ["frontend", "other", 443, { sni: "API.example.com" }, true],
  ["frontend", "other", 443, { sni: "" }, false],
];

for (const [from, to, port, options, reached] of rows)
  test(`${from} -> ${to} ${port} ${requestName(options) ?? "a connection"}`, async () => {
    await using cluster = await make();
    const ends = [cluster.pod(`shop/${from}`), cluster.pod(`shop/${to}`)] as const;
    const expectation = expect(ends[0]);
    await (reached ? expectation : expectation.not).toReach(ends[1], port, options);
    const connection = ends[0].to(ends[1], port, options);
    if (reached) await expect(connection).toBeAllowed();
    else await expect(connection).toBeDenied();
  });

test("a request that is denied says what is let through, and by which rule", async () => {
  await using cluster = await make();
  const [from, to] = [cluster.pod("shop/frontend"), cluster.pod("shop/backend")];
  await expect(from.to(to, 80, { http: "GET /public/a" })).toBeAllowedBy({
    name: "api",
    path: "spec.ingress[0].toPorts[0]",
  });
  await expect(from.to(to, 80, { http: "GET /a" })).toBeDeniedBy({ name: "api" });
  await assert.rejects(expect(from).toReach(to, 80, { http: "GET /a", family: 4 }), (error) => {
    assert.ok(error instanceof AssertionError);
    assert.equal(
      error.message,
      `expected shop/frontend to reach shop/backend on 80 with GET /a (IPv4)

shop/frontend -> shop/backend 80 GET /a: denied
  egress of shop/frontend: allowed: no policy denies it
  ingress of shop/backend: denied by the proxy: CiliumNetworkPolicy shop/api isolates it, and no rule allows this request
    A proxy looks into it (http) and lets through:
      GET /public/.* (CiliumNetworkPolicy shop/api spec.ingress[0].toPorts[0])
      PUT /x with header x-token: t (CiliumNetworkPolicy shop/api spec.ingress[0].toPorts[0])`,
    );
    return true;
  });
  await assert.rejects(
    expect(from).toReach(to, 80, { http: "GET /a#b" }),
    /The request has a fragment: it is refused\./,
  );
});

test("explanations that went through JSON can be asked about requests", async () => {
  await using cluster = await make();
  const attempt = {
    from: { kind: "pod", namespace: "shop", name: "frontend" },
    to: { kind: "pod", namespace: "shop", name: "backend" },
    port: { kind: "number", protocol: "TCP", port: 80 },
    family: 4,
  } as const;
  const { explanation } = await cluster.attempt(attempt);
  assert.equal(explanation.ingress.l7?.ruleSet.kind, "http");
  const passed = JSON.parse(JSON.stringify(explanation)) as typeof explanation;
  for (const [http, verdict] of [
    ["GET /public/a", "allowed"],
    ["GET /a", "denied"],
  ] as const) {
    const request = parseRequest({ http }, 80);
    assert.ok(request);
    assert.equal(explainRequest(passed, request).verdict, verdict);
  }
});

test("in audit mode a request that would be denied is let through and told", async () => {
  await using cluster = await make();
  const annotations = { "policy.tsilium.io/enforcement": "audit" };
  await cluster.apply({ ...api, metadata: { ...api.metadata, annotations } });
  await cluster.delete(kafka);
  const [from, to] = [cluster.pod("shop/frontend"), cluster.pod("shop/backend")];
  await expect(from.to(to, 80, { http: "GET /secret" })).toBeAudited();
  await expect(from.to(to, 80, { http: "GET /public/a" })).toBeAllowed();
});

const texts: [
  sentence: string,
  text: Parameters<typeof parseRequest>[0],
  expected: RegExp | object,
][] = [
  [
    "a request line",
    { http: "GET /a" },
    { kind: "http", request: { method: "GET", target: "/a", headers: [], port: 80 } },
  ],
  [
    "Kafka's in full",
    { kafka: "Fetch:4@me a b" },
    { kind: "kafka", request: { apiKey: 1, apiVersion: 4, clientId: "me", topics: ["a", "b"] } },
  ],
  [
    "an API by its number",
    { kafka: "60" },
    {
      kind: "kafka",
      request: { apiKey: 60, apiVersion: 0, clientId: undefined, topics: undefined },
    },
  ],
  ["two kinds at once", { http: "GET /", dns: "a" }, /a request is of one kind: http or dns/],
  ["no path", { http: "GET" }, /a request is a method and a path/],
  ["no header", { http: { headers: ["x"] } }, /a header that is no "name: value"/],
  ["no API", { kafka: "steal orders" }, /a request is an API of Kafka's and topics/],
  ["no name", { dns: "" }, /a request asks for a name/],
];

for (const [sentence, text, expected] of texts)
  test(`a request as text: ${sentence}`, () => {
    if (expected instanceof RegExp) {
      const isOurs = (error: unknown) => error instanceof TestError && expected.test(error.message);
      assert.throws(() => parseRequest(text, 80), isOurs);
    } else assert.deepEqual(parseRequest(text, 80), expected);
  });

test("a test file asks for requests, one by one", async () => {
  const file = parseTestFile(
    `
pods: { shop/frontend: { labels: { app: frontend } }, shop/backend: { labels: { app: backend } } }
tests:
  - { from: shop/frontend, to: shop/backend, port: 80, http: [GET /public/a, { method: PUT, path: /x, headers: { X-Token: t } }], expect: allow }
  - { from: shop/frontend, to: shop/backend, port: 80, http: [GET /secret, GET /public/a], expect: deny }
  - { from: shop/frontend, to: 203.0.113.1, port: 53/udp, dns: www.example.com, expect: allow, by: { name: names } }
  - { from: shop/frontend, to: shop/backend, port: 9092, kafka: produce orders, expect: allow }
  - { from: shop/frontend, to: 203.0.113.1, port: 443, sni: "", expect: deny }
`,
    "l7.test.yaml",
  );
  const { results } = await runTestFile("l7.test.yaml", file, (options) =>
    testCluster({ ...options, manifests: [...options.manifests, api, kafka, names] }),
  );
  assert.deepEqual(
    results.map(({ name, passed }) => `${name}: ${passed}`),
    [
      "shop/frontend -> shop/backend 80 GET /public/a, PUT /x: allow: true",
      "shop/frontend -> shop/backend 80 GET /secret, GET /public/a: deny: false",
      "shop/frontend -> 203.0.113.1 53/udp DNS www.example.com: allow: true",
      "shop/frontend -> shop/backend 9092 Kafka produce orders: allow: true",
      "shop/frontend -> 203.0.113.1 443 TLS to no name: deny: true",
    ],
  );
});

test("requests of a test file that are none are told with their path", () => {
  const text = `
tests:
  - { from: a/b, to: a/c, port: 80, http: GET, expect: allow }
  - { from: a/b, to: a/c, port: 80, http: { url: / }, expect: allow }
  - { from: a/b, to: a/c, port: 80, http: GET /, dns: a, expect: allow }`;
  const first = text.replace(/.*url.*\n/, "");
  assert.throws(() => parseTestFile(text, "t"), /t: tests\[1\]\.http: unknown field "url"/);
  assert.throws(
    () => parseTestFile(first, "t"),
    /t: tests\[0\]\.http: a request is a method and a path, "GET \/public", and not "GET"\nt: tests\[1\]: http and dns: a test asks for one kind/,
  );
});
