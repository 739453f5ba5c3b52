// CustomResourceDefinitions: which are taken, and how the objects of their kinds are held to them.
import { strict as assert } from "node:assert";
import { after, before, test } from "node:test";
import { TestServer, type Body } from "./testing/server.ts";

let api: TestServer;
before(async () => {
  api = await TestServer.start();
});
after(async () => {
  await api[Symbol.asyncDispose]();
  assert.deepEqual(api.faults, []);
});

const definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const group = "test.tsilium.io";

function definition(
  plural: string,
  schema: object,
  more: Readonly<Record<string, unknown>> = {},
): object {
  const kind = plural[0]?.toUpperCase() + plural.slice(1, -1);
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: "Namespaced",
      names: { plural, kind },
      versions: [
        { name: "v1", served: true, storage: true, schema: { openAPIV3Schema: schema }, ...more },
      ],
    },
  };
}

const at = (plural: string, name = "") =>
  `/apis/${group}/v1/namespaces/default/${plural}${name && `/${name}`}`;

const rich = {
  type: "object",
  required: ["spec"],
  properties: {
    spec: {
      type: "object",
      required: ["size"],
      properties: {
        size: { type: "integer", minimum: 1, maximum: 10 },
        color: { type: "string", enum: ["red", "blue"], default: "red" },
        tags: { type: "array", items: { type: "string", pattern: "^[a-z]+$" }, maxItems: 2 },
        limits: { type: "object", additionalProperties: { type: "integer" } },
        port: { "x-kubernetes-int-or-string": true },
        nested: {
          type: "object",
          default: {},
          properties: {
            depth: { type: "integer", default: 3 },
            free: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
          },
        },
        note: { type: "string", nullable: true },
        cidr: { type: "string", format: "cidr" },
        ratio: { type: "number", minimum: 0, exclusiveMinimum: true },
        either: {
          type: "object",
          properties: { a: { type: "string" }, b: { type: "string" } },
          oneOf: [{ required: ["a"] }, { required: ["b"] }],
        },
      },
    },
    status: { type: "object", properties: { phase: { type: "string" } } },
  },
};

test("a definition is established by its creation and its kind is served at once", async () => {
  const made = await api.create(
    definitions,
    definition("gadgets", rich, { subresources: { status: {} } }),
  );
  assert.deepEqual(
    made["status"].conditions.map(
      (condition: Body) => `${condition["type"]}=${condition["status"]}`,
    ),
    ["NamesAccepted=True", "Established=True"],
  );
  const { body } = await api.send("GET", `/apis/${group}/v1`);
  assert.deepEqual(
    body["resources"].map((resource: Body) => `${resource["name"]} ${resource["kind"]}`),
    ["gadgets Gadget", "gadgets/status Gadget"],
  );
});

test("defaults are filled in, unknown fields dropped, free ones kept", async () => {
  const made = await api.create(at("gadgets"), {
    metadata: { name: "a" },
    junk: 1,
    spec: {
      size: 2,
      junk: 1,
      port: "http",
      nested: { free: { any: [1] }, junk: 1 },
      limits: { cpu: 1 },
      note: null,
    },
    status: { phase: "mine" },
  });
  assert.deepEqual(made["spec"], {
    size: 2,
    port: "http",
    nested: { free: { any: [1] }, depth: 3 },
    limits: { cpu: 1 },
    note: null,
    color: "red",
  });
  assert.equal(made["junk"], undefined);
  assert.equal(made["status"], undefined);
});

/** sentence, spec, field of the cause */
const refused: readonly (readonly [string, object, string])[] = [
  ["a required field that is missing", {}, "spec.size"],
  ["a value below the minimum", { size: 0 }, "spec.size"],
  ["a value of another type", { size: "1" }, "spec.size"],
  ["a fraction where an integer is meant", { size: 1.5 }, "spec.size"],
  ["a value that is not among the choices", { size: 1, color: "green" }, "spec.color"],
  ["an item that does not match", { size: 1, tags: ["ok", "No"] }, "spec.tags[1]"],
  ["too many items", { size: 1, tags: ["a", "b", "c"] }, "spec.tags"],
  ["a map value of another type", { size: 1, limits: { "a/b": "x" } }, "spec.limits[a/b]"],
  ["neither integer nor string", { size: 1, port: true }, "spec.port"],
  ["a prefix that is none", { size: 1, cidr: "10.0.0.0/33" }, "spec.cidr"],
  ["the bound itself where it is excluded", { size: 1, ratio: 0 }, "spec.ratio"],
  ["both of two that exclude each other", { size: 1, either: { a: "x", b: "y" } }, "spec.either"],
  ["null where it is not allowed", { size: 1, tags: null }, "spec.tags"],
];

for (const [sentence, spec, path] of refused) {
  test(`an object is refused for ${sentence}`, async () => {
    const { status, body, text } = await api.send("POST", at("gadgets"), {
      body: { metadata: { name: "bad" }, spec },
    });
    assert.equal(status, 422, text);
    assert.equal(body["details"].causes[0].field, path, text);
  });
}

test("a status is judged by the schema too, and alone", async () => {
  const contentType = "application/merge-patch+json";
  const good = await api.send("PATCH", `${at("gadgets", "a")}/status`, {
    contentType,
    body: { status: { phase: "ok", junk: 1 } },
  });
  assert.deepEqual(good.body["status"], { phase: "ok" });
  assert.equal(good.body["metadata"].generation, 1);
  const bad = await api.send("PATCH", `${at("gadgets", "a")}/status`, {
    contentType,
    body: { status: { phase: 1 } },
  });
  assert.equal(bad.body["details"].causes[0].field, "status.phase");
});

test("printer columns make kubectl's table", async () => {
  await api.create(
    definitions,
    definition(
      "prints",
      {
        type: "object",
        properties: { spec: { type: "object", "x-kubernetes-preserve-unknown-fields": true } },
      },
      {
        additionalPrinterColumns: [
          { name: "Size", type: "integer", jsonPath: ".spec.size" },
          { name: "First", type: "string", jsonPath: ".spec.list[0].name" },
          {
            name: "Ready",
            type: "string",
            jsonPath: '.spec.conditions[?(@.type=="Ready")].status',
            priority: 1,
          },
          { name: "Dotted", type: "string", jsonPath: ".metadata.annotations.a\\.b/c" },
        ],
      },
    ),
  );
  await api.create(at("prints"), {
    metadata: { name: "p", annotations: { "a.b/c": "here" } },
    spec: {
      size: 3,
      list: [{ name: "one" }],
      conditions: [
        { type: "X", status: "no" },
        { type: "Ready", status: "yes" },
      ],
    },
  });
  const { body } = await api.send("GET", at("prints"), {
    headers: { Accept: "application/json;as=Table;g=meta.k8s.io;v=v1" },
  });
  assert.deepEqual(body["rows"][0].cells, ["p", 3, "one", "yes", "here"]);
});

test("a part that a schema repeats is held to in every place", async () => {
  const selector = {
    type: "object",
    properties: {
      labels: { type: "object", additionalProperties: { type: "string", maxLength: 3 } },
      terms: { type: "array", items: { type: "string", pattern: "^[a-z]+$" }, maxItems: 2 },
      either: { type: "string", anyOf: [{ format: "ipv4" }, { format: "ipv6" }] },
    },
  };
  const properties = { one: selector, other: selector, many: { type: "array", items: selector } };
  const schema = { type: "object", properties: { spec: { type: "object", properties } } };
  await api.create(definitions, definition("repeats", schema));
  const spec = {
    one: { labels: { a: "long" } },
    other: { terms: ["No"] },
    many: [{}, { either: "x" }, { labels: { b: "long" } }],
  };
  const { body } = await api.send("POST", at("repeats"), {
    body: { metadata: { name: "r" }, spec },
  });
  assert.deepEqual(
    body["details"].causes.map((cause: Body) => cause["field"]),
    ["spec.one.labels.a", "spec.other.terms[0]", "spec.many[1].either", "spec.many[2].labels.b"],
  );
});

test("a kind of two versions is served in both, stored in one", async () => {
  const schema = {
    openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
  };
  const many = definition("twins", {}) as { spec: { versions: object[] } };
  many.spec.versions = [
    { name: "v2", served: true, storage: true, schema },
    { name: "v1", served: true, storage: false, schema },
    { name: "v0", served: false, storage: false, schema },
  ];
  await api.create(definitions, many);
  await api.create(at("twins"), {
    apiVersion: `${group}/v1`,
    kind: "Twin",
    metadata: { name: "t" },
    x: 1,
  });
  const second = await api.send("GET", at("twins", "t").replace("/v1/", "/v2/"));
  assert.equal(second.body["apiVersion"], `${group}/v2`);
  assert.equal((await api.send("GET", at("twins", "t"))).body["apiVersion"], `${group}/v1`);
  assert.equal((await api.send("GET", at("twins", "t").replace("/v1/", "/v0/"))).status, 404);
  const { body } = await api.send("GET", `/apis/${group}`);
  assert.equal(body["preferredVersion"].version, "v2");
});

/** sentence, definition, field of the first cause */
const badDefinitions: readonly (readonly [string, object, string])[] = [
  [
    "another name than plural.group",
    { ...definition("xs", { type: "object" }), metadata: { name: "ys.test.tsilium.io" } },
    "metadata.name",
  ],
  [
    "no schema",
    definition("xs", {}, { schema: undefined }),
    "spec.versions[0].schema.openAPIV3Schema",
  ],
  [
    "a root that is no object",
    definition("xs", { type: "string" }),
    "spec.versions[0].schema.openAPIV3Schema.type",
  ],
  [
    "a field without a type",
    definition("xs", { type: "object", properties: { a: {} } }),
    "spec.versions[0].schema.openAPIV3Schema.properties[a].type",
  ],
  [
    "a list without items",
    definition("xs", { type: "object", properties: { a: { type: "array" } } }),
    "spec.versions[0].schema.openAPIV3Schema.properties[a].items",
  ],
  [
    "a reference",
    definition("xs", { type: "object", $ref: "#/x" }),
    "spec.versions[0].schema.openAPIV3Schema.$ref",
  ],
  [
    "uniqueItems",
    definition("xs", {
      type: "object",
      properties: { a: { type: "array", uniqueItems: true, items: { type: "string" } } },
    }),
    "spec.versions[0].schema.openAPIV3Schema.properties[a].uniqueItems",
  ],
  [
    "additionalProperties: false",
    definition("xs", { type: "object", additionalProperties: false }),
    "spec.versions[0].schema.openAPIV3Schema.additionalProperties",
  ],
  [
    "a type within anyOf",
    definition("xs", {
      type: "object",
      properties: { a: { type: "string", anyOf: [{ type: "string" }] } },
    }),
    "spec.versions[0].schema.openAPIV3Schema.properties[a].anyOf[0].type",
  ],
  [
    "a pattern that is none",
    definition("xs", { type: "object", properties: { a: { type: "string", pattern: "(" } } }),
    "spec.versions[0].schema.openAPIV3Schema.properties[a].pattern",
  ],
];

for (const [sentence, body, path] of badDefinitions) {
  test(`a definition is refused for ${sentence}`, async () => {
    const answer = await api.send("POST", definitions, { body });
    assert.equal(answer.status, 422, answer.text);
    assert.equal(answer.body["details"].causes[0].field, path, answer.text);
  });
}

test("a changed schema holds for the next write", async () => {
  await api.create(
    definitions,
    definition("moods", { type: "object", properties: { a: { type: "string" } } }),
  );
  await api.create(at("moods"), { metadata: { name: "m" }, a: "x" });
  const change = (path: string, body: object) =>
    api.send("PATCH", path, { contentType: "application/merge-patch+json", body });
  const { spec } = definition("moods", {
    type: "object",
    properties: { a: { type: "string" }, b: { type: "string", default: "d" } },
  }) as { spec: object };
  await change(`${definitions}/moods.${group}`, { spec });
  const { body } = await change(at("moods", "m"), { a: "y" });
  assert.equal(body["b"], "d");
});

test("kinds and their objects are there again after a restart", async () => {
  const { body } = await api.send("GET", at("gadgets", "a"));
  await api.restart();
  assert.deepEqual((await api.send("GET", at("gadgets", "a"))).body, body);
});

test("a definition that is deleted waits for its objects and takes no new ones", async () => {
  await api.send("DELETE", `${definitions}/gadgets.${group}`);
  const refusal = await api.send("POST", at("gadgets"), {
    body: { metadata: { name: "late" }, spec: { size: 1 } },
  });
  assert.equal(refusal.status, 405);
  await api.send("DELETE", at("gadgets", "a"));
  await api.send("PATCH", `${definitions}/gadgets.${group}`, {
    contentType: "application/merge-patch+json",
    body: { metadata: { finalizers: [] } },
  });
  assert.equal((await api.send("GET", at("gadgets"))).status, 404);
});
