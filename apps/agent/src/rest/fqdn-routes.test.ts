import assert from "node:assert/strict";
import { test } from "node:test";
import type { Endpoint } from "@tsilium/endpoint/model.ts";
import { Table } from "@tsilium/tables";
import { Ajv2020 } from "ajv/dist/2020.js";
import { TestNames, turns } from "../fqdn/testing/names.ts";
import { fqdnViews } from "../fqdn/views.ts";
import { Late } from "../late.ts";
import { fqdnRoutes } from "./fqdn-routes.ts";
import type { NodeParts, RoutesOptions } from "./parts.ts";
import { matchRoute } from "./router.ts";

async function setUp(names: TestNames) {
  names.engine.setSelectors([{ matchName: "a.test" }, { matchPattern: "*.b.test" }]);
  names.answer("a.test", ["203.0.113.2", "203.0.113.1"], { aliases: ["edge.example"] });
  names.answer("x.b.test", ["2001:db8::1", "169.254.169.254"], { client: "10.244.0.2", ttlS: 5 });
  names.answer("c.example", ["203.0.113.1"], { client: "10.244.0.2" });
  await turns();
  const views = fqdnViews(names);
  const endpoints = new Table<Endpoint>({ name: "endpoints", key: ({ id }) => String(id) });
  endpoints.upsert({ id: 3 } as Endpoint);
  const parts = new Late<NodeParts>(() => "nothing");
  parts.set({ fqdn: views, endpoints } as NodeParts);
  const routes = fqdnRoutes({ parts } as RoutesOptions);
  const ajv = new Ajv2020({ strict: false, formats: { "date-time": true } });
  return async <T>(target: string, method = "GET"): Promise<T> => {
    const { route, parameters } = matchRoute(routes, method, target);
    const { signal } = new AbortController();
    const { json } = await route.handle({ parameters, body: new Uint8Array(), signal });
    assert.ok(ajv.validate(route.responses[200]?.schema ?? {}, json), ajv.errorsText());
    return json as T;
  };
}

type Rows = { fqdn: string; "endpoint-id": number; ips: string[]; source: string }[];
const show = (rows: Rows) =>
  rows.map((row) => `${row["endpoint-id"]} ${row.source} ${row.fqdn} ${row.ips.join()}`);

test("the cache is told by endpoint and name, in Cilium's words", async () => {
  using names = new TestNames();
  const ask = await setUp(names);
  assert.deepEqual((await ask<object[]>("/v1/fqdn/cache"))[0], {
    fqdn: "a.test.",
    "endpoint-id": 1,
    source: "lookup",
    "lookup-time": "2026-11-20T10:00:00.000Z",
    ttl: 60,
    "expiration-time": "2026-11-20T10:01:00.000Z",
    ips: ["203.0.113.1", "203.0.113.2"],
    alias: false,
  });
  assert.deepEqual(show(await ask<Rows>("/v1/fqdn/cache")), [
    "1 lookup a.test. 203.0.113.1,203.0.113.2",
    "1 lookup edge.example. 203.0.113.1,203.0.113.2",
    "2 lookup c.example. 203.0.113.1",
    "2 lookup x.b.test. 169.254.169.254,2001:db8::1",
  ]);
  names.connections.add("2001:db8::1");
  await names.round();
  const filters: readonly (readonly [query: string, rows: readonly string[]])[] = [
    ["?source=connection", ["2 connection x.b.test. 2001:db8::1"]],
    [
      "?matchpattern=*.example",
      ["1 lookup edge.example. 203.0.113.1,203.0.113.2", "2 lookup c.example. 203.0.113.1"],
    ],
    ["?matchpattern=A.test.", ["1 lookup a.test. 203.0.113.1,203.0.113.2"]],
    ["?cidr=2001:db8::/32", ["2 connection x.b.test. 2001:db8::1"]],
    ["/2?cidr=203.0.113.0/24", ["2 lookup c.example. 203.0.113.1"]],
    ["/3", []],
  ];
  for (const [query, rows] of filters)
    assert.deepEqual(show(await ask<Rows>(`/v1/fqdn/cache${query}`)), rows, query);
});

test("selectors are told with what is refused and shared", async () => {
  using names = new TestNames();
  const ask = await setUp(names);
  assert.deepEqual(await ask("/v1/fqdn/names"), {
    FQDNPolicySelectors: [
      {
        selectorString: "MatchName: , MatchPattern: *.b.test",
        regexString: "^[-a-zA-Z0-9_]*[.]b[.]test[.]$",
        ips: 1,
      },
      { selectorString: "MatchName: a.test, MatchPattern: ", regexString: "^a[.]test[.]$", ips: 2 },
    ],
    refused: [{ address: "169.254.169.254", name: "x.b.test", reason: "link-local" }],
    shared: [{ address: "203.0.113.1", allowed: "a.test", other: "c.example" }],
  });
});

test("what is cleaned is gone, and no other", async () => {
  using names = new TestNames();
  const ask = await setUp(names);
  assert.deepEqual(await ask("/v1/fqdn/cache?matchpattern=*.b.test", "DELETE"), { cleaned: 2 });
  assert.equal((await ask<Rows>("/v1/fqdn/cache")).length, 3);
  assert.deepEqual(await ask("/v1/fqdn/cache", "DELETE"), { cleaned: 5 });
  assert.deepEqual(names.claims(), []);
});

const refused: readonly (readonly [target: string, method: string, status: number])[] = [
  ["/v1/fqdn/cache?matchpattern=", "DELETE", 400],
  ["/v1/fqdn/cache?matchpattern=a/b", "DELETE", 400],
  ["/v1/fqdn/cache?cidr=x", "GET", 400],
  ["/v1/fqdn/cache?source=x", "GET", 400],
  ["/v1/fqdn/cache?source=lookup", "DELETE", 400],
  ["/v1/fqdn/cache/x", "GET", 400],
  ["/v1/fqdn/cache/77", "GET", 404],
  ["/v1/fqdn/cache", "POST", 405],
];
for (const [target, method, status] of refused)
  test(`${method} ${target} is answered with ${status}`, async () => {
    using names = new TestNames();
    const ask = await setUp(names);
    await assert.rejects(ask(target, method), { status });
    assert.equal(names.book.size, 7);
  });
