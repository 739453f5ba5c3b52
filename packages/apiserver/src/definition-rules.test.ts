// x-kubernetes-validations, list types and embedded resources: what a definition demands beyond its schema.
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
const group = "rules.tsilium.io";

function definition(plural: string, schema: object, more: object = {}): object {
  return {
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: "Namespaced",
      names: { plural, kind: `${plural[0]?.toUpperCase()}${plural.slice(1, -1)}` },
      versions: [
        { name: "v1", served: true, storage: true, schema: { openAPIV3Schema: schema }, ...more },
      ],
    },
  };
}

const at = (plural: string, name = "") =>
  `/apis/${group}/v1/namespaces/default/${plural}${name && `/${name}`}`;

const rule = (text: string, more: object = {}) => ({ rule: text, ...more });

const spec = (properties: object, rules: readonly object[] = [], more: object = {}) => ({
  type: "object",
  properties: {
    spec: { type: "object", properties, "x-kubernetes-validations": rules, ...more },
    status: { type: "object", properties: { phase: { type: "string" } } },
  },
});

const fields = {
  min: { type: "integer" },
  max: { type: "integer" },
  name: { type: "string" },
  ratio: { type: "number" },
  until: { type: "string", format: "date-time" },
  wait: { type: "string", format: "duration" },
  port: { "x-kubernetes-int-or-string": true },
  "dashed-name": { type: "string" },
  namespace: { type: "string" },
  tags: { type: "array", items: { type: "string" } },
  labels: { type: "object", additionalProperties: { type: "string" } },
  items: {
    type: "array",
    items: {
      type: "object",
      required: ["key"],
      properties: { key: { type: "string" }, size: { type: "integer" } },
    },
  },
};

/** sentence, rule, a spec that holds to it, one that does not */
const expressions: readonly (readonly [string, string, object, object])[] = [
  ["integers are compared", "self.min <= self.max", { min: 1, max: 2 }, { min: 2, max: 1 }],
  ["a number may be whole", "self.ratio > 1.5", { ratio: 2 }, { ratio: 1 }],
  ["fields are there or not", "has(self.name) != has(self.min)", { name: "x" }, {}],
  ["lists", "self.tags.all(t, t.startsWith('a'))", { tags: ["a"] }, { tags: ["a", "b"] }],
  [
    "lists of objects",
    "self.items.exists(i, i.size > 1)",
    { items: [{ key: "a", size: 2 }] },
    { items: [] },
  ],
  [
    "maps",
    "self.labels.all(k, self.labels[k] != '')",
    { labels: { a: "1" } },
    { labels: { a: "" } },
  ],
  ["a key in a map", "'a' in self.labels", { labels: { a: "1" } }, { labels: { b: "1" } }],
  ["RE2", "self.name.matches('^[a-z]+$')", { name: "abc" }, { name: "Abc" }],
  [
    "times",
    "self.until > timestamp('2026-01-01T00:00:00Z')",
    { until: "2027-01-01T00:00:00Z" },
    { until: "2025-01-01T00:00:00Z" },
  ],
  ["durations", "self.wait >= duration('1m')", { wait: "90s" }, { wait: "5s" }],
  [
    "integer or string",
    "type(self.port) == int ? self.port > 10 : self.port == 'http'",
    { port: "http" },
    { port: 5 },
  ],
  [
    "names that CEL cannot say",
    "self.dashed__dash__name == self.__namespace__",
    { "dashed-name": "a", namespace: "a" },
    { "dashed-name": "a", namespace: "b" },
  ],
  ["optional fields", "self.?max.orValue(5) > 4", {}, { max: 3 }],
  [
    "sorted lists",
    "self.tags.isSorted() && self.tags.indexOf('b') == 1",
    { tags: ["a", "b"] },
    { tags: ["b", "a"] },
  ],
  [
    "sums",
    "self.items.map(i, i.size).sum() < 10",
    { items: [{ key: "a", size: 2 }] },
    { items: [{ key: "a", size: 20 }] },
  ],
  ["sets", "sets.contains(['a', 'b'], self.tags)", { tags: ["b"] }, { tags: ["c"] }],
  [
    "quantities",
    "quantity(self.name).isLessThan(quantity('1Gi'))",
    { name: "512Mi" },
    { name: "2G" },
  ],
  [
    "prefixes",
    "cidr('10.0.0.0/8').containsIP(ip(self.name))",
    { name: "10.1.2.3" },
    { name: "11.0.0.1" },
  ],
  [
    "URLs",
    "url(self.name).getHostname() == 'a.b'",
    { name: "https://a.b:1/x" },
    { name: "https://c.d/" },
  ],
  ["found parts", "self.name.find('[0-9]+') == '12'", { name: "a12b" }, { name: "a" }],
];

for (const [index, [sentence, text, good, bad]] of expressions.entries()) {
  test(`a rule holds or not: ${sentence}`, async () => {
    const plural = `as${index}s`;
    await api.create(
      definitions,
      definition(plural, spec(fields, [rule(text, { message: "no" })])),
    );
    await api.create(at(plural), { metadata: { name: "good" }, spec: good });
    const { status, body } = await api.send("POST", at(plural), {
      body: { metadata: { name: "bad" }, spec: bad },
    });
    assert.equal(status, 422, JSON.stringify(body));
    assert.deepEqual(body["details"].causes, [
      { reason: "FieldValueInvalid", message: 'Invalid value: "object": no', field: "spec" },
    ]);
  });
}

/** sentence, rule, what is told of it */
const badRules: readonly (readonly [string, object, string, RegExp])[] = [
  ["does not parse", rule("self.min <"), "rule", /compilation failed/],
  ["names a field that is not there", rule("self.mim > 1"), "rule", /compilation failed: .*mim/],
  ["compares different types", rule("self.min > 'a'"), "rule", /compilation failed/],
  ["is no condition", rule("self.min + 1"), "rule", /must evaluate to a bool/],
  ["is empty", rule(" "), "rule", /not specified/],
  ["has an unknown reason", rule("true", { reason: "Odd" }), "reason", /Unsupported value/],
  [
    "has a message that is no text",
    rule("true", { messageExpression: "self.min" }),
    "messageExpression",
    /string/,
  ],
  ["tells a wrong path", rule("true", { fieldPath: "min" }), "fieldPath", /valid path/],
];

for (const [sentence, text, keyword, message] of badRules) {
  test(`a definition is refused whose rule ${sentence}`, async () => {
    const { status, body } = await api.send("POST", definitions, {
      body: definition("nones", spec(fields, [text])),
    });
    assert.equal(status, 422, JSON.stringify(body));
    const [cause] = body["details"].causes as Body[];
    assert.equal(
      cause?.["field"],
      `spec.versions[0].schema.openAPIV3Schema.properties[spec].x-kubernetes-validations[0].${keyword}`,
    );
    assert.match(cause?.["message"], message);
  });
}

test("a fault is told where and how the rule says", async () => {
  const rules = [
    rule("self.min < self.max", {
      messageExpression: "'min is ' + string(self.min)",
      reason: "FieldValueForbidden",
      fieldPath: ".min",
    }),
    rule("self.max < 100"),
  ];
  await api.create(definitions, definition("tells", spec(fields, rules)));
  const { body } = await api.send("POST", at("tells"), {
    body: { metadata: { name: "t" }, spec: { min: 300, max: 200 } },
  });
  assert.equal(
    body["message"],
    'Tell.rules.tsilium.io "t" is invalid: [spec.min: Forbidden: min is 300, spec: Invalid value: "object": failed rule: self.max < 100]',
  );
});

test("the whole object's rule sees its name, and no more of its metadata", async () => {
  const schema = {
    ...spec(fields),
    "x-kubernetes-validations": [rule("self.metadata.name.startsWith('a')")],
  };
  await api.create(definitions, definition("wholes", schema));
  await api.create(at("wholes"), { metadata: { name: "ab" } });
  const { body } = await api.send("POST", at("wholes"), { body: { metadata: { name: "b" } } });
  assert.equal(body["details"].causes[0].field, "<nil>");
  const labels = {
    ...spec(fields),
    "x-kubernetes-validations": [rule("has(self.metadata.labels.a)")],
  };
  assert.equal(
    (await api.send("POST", definitions, { body: definition("labels", labels) })).status,
    422,
  );
});

test("what a value lacks is told as the rule's fault", async () => {
  await api.create(definitions, definition("lacks", spec(fields, [rule("self.min > 0")])));
  const { body } = await api.send("POST", at("lacks"), {
    body: { metadata: { name: "l" }, spec: {} },
  });
  assert.match(
    body["message"],
    /spec: Invalid value: "object": No such key: min evaluating rule: self\.min > 0$/i,
  );
});

test("a transition rule compares with what was, and is not asked of what is new", async () => {
  const properties = {
    fixed: {
      type: "string",
      "x-kubernetes-validations": [rule("self == oldSelf", { message: "fixed is fixed" })],
    },
    items: {
      type: "array",
      "x-kubernetes-list-type": "map",
      "x-kubernetes-list-map-keys": ["key"],
      items: {
        type: "object",
        required: ["key"],
        properties: { key: { type: "string" }, size: { type: "integer" } },
        "x-kubernetes-validations": [rule("self.size >= oldSelf.size", { message: "grows" })],
      },
    },
    first: {
      type: "integer",
      "x-kubernetes-validations": [
        rule("oldSelf.hasValue() || self == 1", { optionalOldSelf: true, message: "starts at 1" }),
      ],
    },
  };
  await api.create(
    definitions,
    definition("moves", spec(properties), { subresources: { status: {} } }),
  );
  const started = await api.send("POST", at("moves"), {
    body: { metadata: { name: "m" }, spec: { first: 2 } },
  });
  assert.match(started.text, /starts at 1/);
  await api.create(at("moves"), {
    metadata: { name: "m" },
    spec: {
      fixed: "a",
      first: 1,
      items: [
        { key: "x", size: 1 },
        { key: "y", size: 5 },
      ],
    },
  });
  const change = async (body: object) => {
    const answer = await api.send("PATCH", at("moves", "m"), {
      contentType: "application/merge-patch+json",
      body: { spec: body },
    });
    return answer.status === 200
      ? []
      : answer.body["details"].causes.map((cause: Body) => `${cause["field"]} ${cause["message"]}`);
  };
  assert.deepEqual(await change({ first: 7 }), []);
  assert.deepEqual(await change({ fixed: "b" }), [
    'spec.fixed Invalid value: "string": fixed is fixed',
  ]);
  assert.deepEqual(
    await change({
      items: [
        { key: "y", size: 4 },
        { key: "z", size: 0 },
        { key: "x", size: 2 },
      ],
    }),
    ['spec.items[0] Invalid value: "object": grows'],
  );
  assert.deepEqual(
    await change({
      items: [
        { key: "z", size: 0 },
        { key: "y", size: 5 },
      ],
    }),
    [],
  );
});

test("what did not change is not asked again when a rule is new", async () => {
  await api.create(definitions, definition("olds", spec(fields)));
  await api.create(at("olds"), { metadata: { name: "o" }, spec: { name: "Old", labels: {} } });
  const named = {
    ...fields,
    name: { type: "string", "x-kubernetes-validations": [rule("self == self.lowerAscii()")] },
  };
  const { spec: changed } = definition("olds", spec(named)) as { spec: object };
  const put = await api.send("PATCH", `${definitions}/olds.${group}`, {
    contentType: "application/merge-patch+json",
    body: { spec: changed },
  });
  assert.equal(put.status, 200, put.text);
  const contentType = "application/merge-patch+json";
  const change = (body: object) => api.send("PATCH", at("olds", "o"), { contentType, body });
  assert.equal((await change({ spec: { min: 1 } })).status, 200);
  assert.equal((await change({ spec: { name: "Older" } })).status, 422);
});

test("rules may cost only so much", async () => {
  const list = { type: "array", items: { type: "integer" } };
  const costly = rule("self.many.all(a, self.many.all(b, self.many.all(c, a + b + c >= 0)))", {
    message: "costly",
  });
  await api.create(
    definitions,
    definition("costs", spec({ many: list }, [costly, rule("true || self.many == []")])),
  );
  const many = Array.from({ length: 1000 }, (_, index) => index);
  const { body } = await api.send("POST", at("costs"), {
    body: { metadata: { name: "c" }, spec: { many } },
  });
  assert.deepEqual(
    body["details"].causes.map((cause: Body) => cause["message"]),
    [
      'Invalid value: "object": validation failed due to running out of cost budget, no further validation rules will be run',
    ],
  );
  await api.create(at("costs"), { metadata: { name: "c" }, spec: { many: many.slice(0, 20) } });
});

test("what is done with long text costs by its length", async () => {
  const text = { name: { type: "string" }, many: { type: "array", items: { type: "integer" } } };
  const costly = rule("self.many.all(a, (self.name + self.name).size() > 0)", {
    message: "costly",
  });
  await api.create(definitions, definition("longs", spec(text, [costly])));
  const many = Array.from({ length: 1000 }, (_, index) => index);
  const send = (name: string, length: number) =>
    api.send("POST", at("longs"), {
      body: { metadata: { name }, spec: { many, name: "x".repeat(length) } },
    });
  assert.equal((await send("short", 100)).status, 201);
  assert.match((await send("long", 1_000_000)).text, /out of cost budget/);
});

test("items of a set, and keys of a map, are there once", async () => {
  const key = { type: "string" };
  const properties = {
    set: { type: "array", "x-kubernetes-list-type": "set", items: { type: "string" } },
    map: {
      type: "array",
      "x-kubernetes-list-type": "map",
      "x-kubernetes-list-map-keys": ["name", "protocol"],
      items: {
        type: "object",
        required: ["name", "protocol"],
        properties: { name: key, protocol: { ...key, default: "TCP" } },
      },
    },
  };
  await api.create(definitions, definition("onces", spec(properties)));
  const { body } = await api.send("POST", at("onces"), {
    body: {
      metadata: { name: "o" },
      spec: {
        set: ["a", "b", "a"],
        map: [{ name: "x" }, { name: "x", protocol: "UDP" }, { protocol: "TCP", name: "x" }],
      },
    },
  });
  assert.deepEqual(body["details"].causes, [
    { reason: "FieldValueDuplicate", message: 'Duplicate value: "a"', field: "spec.set[2]" },
    {
      reason: "FieldValueDuplicate",
      message: 'Duplicate value: {"name":"x","protocol":"TCP"}',
      field: "spec.map[2]",
    },
  ]);
});

test("an object within an object says what it is, and keeps what it has", async () => {
  const properties = {
    template: {
      type: "object",
      "x-kubernetes-embedded-resource": true,
      properties: { spec: { type: "object", properties: { a: { type: "integer" } } } },
    },
  };
  await api.create(definitions, definition("holds", spec(properties)));
  const template = {
    apiVersion: "v1",
    kind: "Thing",
    metadata: { name: "x" },
    spec: { a: 1, b: 2 },
    junk: 1,
  };
  const made = await api.create(at("holds"), { metadata: { name: "h" }, spec: { template } });
  assert.deepEqual(made["spec"].template, {
    apiVersion: "v1",
    kind: "Thing",
    metadata: { name: "x" },
    spec: { a: 1 },
  });
  const { body } = await api.send("POST", at("holds"), {
    body: { metadata: { name: "i" }, spec: { template: { kind: "Thing" } } },
  });
  assert.equal(body["details"].causes[0].field, "spec.template.apiVersion");
});

test("fields that a definition names can be selected by", async () => {
  const body = definition("picks", spec(fields), {
    selectableFields: [{ jsonPath: ".spec.name" }, { jsonPath: ".spec.min" }],
  });
  await api.create(definitions, body);
  await api.create(at("picks"), { metadata: { name: "a" }, spec: { name: "x", min: 1 } });
  await api.create(at("picks"), { metadata: { name: "b" }, spec: { name: "x" } });
  const select = async (selector: string) => {
    const answer = await api.send(
      "GET",
      `${at("picks")}?fieldSelector=${encodeURIComponent(selector)}`,
    );
    return answer.body["items"]?.map((item: Body) => item["metadata"].name) ?? answer.status;
  };
  assert.deepEqual(await select("spec.name=x"), ["a", "b"]);
  assert.deepEqual(await select("spec.name=x,spec.min=1"), ["a"]);
  assert.deepEqual(await select("spec.max=1"), 400);
  // What is read from the disk is read before the definitions are.
  await api.restart();
  assert.deepEqual(await select("spec.name=x,spec.min=1"), ["a"]);
});

/** sentence, properties of spec, what else the version says, field below the version */
const badVersions: readonly (readonly [string, object, object, string])[] = [
  [
    "a default of another type",
    { a: { type: "integer", default: "x" } },
    {},
    "properties[a].default",
  ],
  [
    "a default that a rule refuses",
    { a: { type: "integer", default: 1, "x-kubernetes-validations": [rule("self > 1")] } },
    {},
    "properties[a].default",
  ],
  [
    "a default with unknown fields",
    { a: { type: "object", default: { b: 1 }, properties: { c: { type: "string" } } } },
    {},
    "properties[a].default",
  ],
  [
    "a map's key that is no property",
    {
      a: {
        type: "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["k"],
        items: { type: "object" },
      },
    },
    {},
    "properties[a].x-kubernetes-list-map-keys[0]",
  ],
  [
    "a map's key that may be missing",
    {
      a: {
        type: "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["k"],
        items: { type: "object", properties: { k: { type: "string" } } },
      },
    },
    {},
    "properties[a].items.properties[k].default",
  ],
  [
    "a set of objects",
    { a: { type: "array", "x-kubernetes-list-type": "set", items: { type: "object" } } },
    {},
    "properties[a].items.x-kubernetes-map-type",
  ],
  [
    "a list type of what is no list",
    { a: { type: "string", "x-kubernetes-list-type": "set" } },
    {},
    "properties[a].type",
  ],
  [
    "an unknown field policy of false",
    { a: { type: "object", "x-kubernetes-preserve-unknown-fields": false } },
    {},
    "properties[a].x-kubernetes-preserve-unknown-fields",
  ],
  [
    "a rule within anyOf",
    { a: { type: "integer", anyOf: [{ minimum: 1, "x-kubernetes-validations": [rule("true")] }] } },
    {},
    "properties[a].anyOf[0].x-kubernetes-validations",
  ],
  [
    "a column without a path",
    {},
    { additionalPrinterColumns: [{ name: "A", type: "string", jsonPath: ".spec[" }] },
    "additionalPrinterColumns[0].jsonPath",
  ],
  [
    "a selectable field that is not there",
    {},
    { selectableFields: [{ jsonPath: ".spec.a" }] },
    "selectableFields[0].jsonPath",
  ],
  [
    "a selectable list",
    { a: { type: "array", items: { type: "string" } } },
    { selectableFields: [{ jsonPath: ".spec.a" }] },
    "selectableFields[0].jsonPath",
  ],
];

for (const [sentence, properties, more, path] of badVersions) {
  test(`a definition is refused for ${sentence}`, async () => {
    const { status, body, text } = await api.send("POST", definitions, {
      body: definition("nones", spec(properties), more),
    });
    assert.equal(status, 422, text);
    const below = "spec.versions[0].";
    const schema = `${below}schema.openAPIV3Schema.properties[spec].`;
    const { field } = body["details"].causes[0] as { field: string };
    assert.equal(field, (path.startsWith("properties") ? schema : below) + path, text);
  });
}
