// Server-side apply and the account of who owns which field, over HTTP.
import { strict as assert } from "node:assert";
import { after, before, test } from "node:test";
import {
  configMap,
  configMaps,
  pod,
  pods,
  TestServer,
  type Answer,
  type Body,
} from "./testing/server.ts";

let api: TestServer;
before(async () => {
  api = await TestServer.start();
});
after(async () => {
  await api[Symbol.asyncDispose]();
  assert.deepEqual(api.faults, []);
});

const deployments = "/apis/apps/v1/namespaces/default/deployments";

function applyAs(manager: string, path: string, body: object, more = ""): Promise<Answer> {
  const contentType = "application/apply-patch+yaml";
  const query = `?fieldManager=${manager}${more}`;
  return api.send("PATCH", `${path}${query}`, { contentType, body });
}

function mergeAs(manager: string, path: string, body: object): Promise<Answer> {
  const contentType = "application/merge-patch+json";
  return api.send("PATCH", `${path}?fieldManager=${manager}`, { contentType, body });
}

const config = (name: string, data: object, metadata: object = {}) => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, ...metadata },
  data,
});

const template = (image: string, more: object = {}) => ({
  metadata: { labels: { app: "web" } },
  spec: { containers: [{ name: "web", image, ...more }] },
});
const deployment = (name: string, spec: object = {}) => ({
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name, labels: { app: "web" } },
  spec: { selector: { matchLabels: { app: "web" } }, template: template("x:1"), ...spec },
});

/** "kubectl Apply v1: {...}", without the time. */
const owners = (body: Body): string[] =>
  (body["metadata"].managedFields ?? []).map(
    (entry: Body) =>
      `${entry["manager"]} ${entry["operation"]} ${entry["apiVersion"]}${entry["subresource"] ? `/${entry["subresource"]}` : ""}: ${JSON.stringify(entry["fieldsV1"])}`,
  );

test("an applied object is created, and its applier owns what it applied and nothing else", async () => {
  const { status, body } = await applyAs("me", `${deployments}/fresh`, deployment("fresh"));
  assert.equal(status, 201);
  assert.equal(body["spec"].replicas, 1, "defaults are nobody's");
  const [entry] = body["metadata"].managedFields;
  assert.match(entry.time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  assert.equal(entry.fieldsType, "FieldsV1");
  assert.deepEqual(owners(body), [
    'me Apply apps/v1: {"f:metadata":{"f:labels":{"f:app":{}}},"f:spec":{"f:selector":{},"f:template":{"f:metadata":{"f:labels":{"f:app":{}}},"f:spec":{"f:containers":{"k:{\\"name\\":\\"web\\"}":{".":{},"f:image":{},"f:name":{}}}}}}}',
  ]);
});

test("a created object is its creator's, field by field, as Kubernetes writes it down", async () => {
  const made = await api.send("POST", `${deployments}?fieldManager=maker`, {
    body: deployment("made"),
  });
  const [entry] = made.body["metadata"].managedFields;
  assert.deepEqual([entry.manager, entry.operation], ["maker", "Update"]);
  assert.deepEqual(entry.fieldsV1["f:metadata"], { "f:labels": { ".": {}, "f:app": {} } });
  const spec = entry.fieldsV1["f:spec"];
  assert.deepEqual(spec["f:selector"], {}, "a selector is one whole");
  assert.deepEqual(spec["f:strategy"], {
    "f:rollingUpdate": { ".": {}, "f:maxSurge": {}, "f:maxUnavailable": {} },
    "f:type": {},
  });
  assert.deepEqual(Object.keys(spec["f:template"]), ["f:metadata", "f:spec"]);
  const container = spec["f:template"]["f:spec"]["f:containers"]['k:{"name":"web"}'];
  assert.deepEqual(container["."], {});
  assert.ok("f:terminationMessagePath" in container, "defaults are the creator's");
});

test("a manager without a name is called by its program", async () => {
  const { body } = await api.send("POST", configMaps, {
    body: configMap("agent"),
    headers: { "User-Agent": "kubectl/v1.32.0 (linux/amd64)" },
  });
  assert.deepEqual(owners(body), ['kubectl Update v1: {"f:data":{".":{},"f:a":{}}}']);
});

test("what others own and would change is a conflict that names them; force takes it", async () => {
  const path = `${configMaps}/contested`;
  await applyAs("one", path, config("contested", { a: "1", b: "1" }));
  const refused = await applyAs("two", path, config("contested", { a: "2", b: "1" }));
  assert.equal(refused.status, 409);
  assert.deepEqual(refused.body, {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message: 'Apply failed with 1 conflict: conflict with "one": .data.a',
    reason: "Conflict",
    details: {
      causes: [
        { reason: "FieldManagerConflict", message: 'conflict with "one"', field: ".data.a" },
      ],
    },
    code: 409,
  });
  const forced = await applyAs("two", path, config("contested", { a: "2", b: "1" }), "&force=true");
  assert.equal(forced.status, 200);
  assert.deepEqual(forced.body["data"], { a: "2", b: "1" });
  assert.deepEqual(owners(forced.body), [
    'one Apply v1: {"f:data":{"f:b":{}}}',
    'two Apply v1: {"f:data":{"f:a":{},"f:b":{}}}',
  ]);
});

test("several conflicts are told manager by manager", async () => {
  const path = `${configMaps}/many`;
  await applyAs("one", path, config("many", { a: "1", b: "1" }));
  await mergeAs("editor", path, { data: { c: "1" } });
  const { body } = await applyAs("two", path, config("many", { a: "2", b: "2", c: "2" }));
  assert.equal(
    body["message"],
    'Apply failed with 3 conflicts: conflicts with "editor" using v1:\n- .data.c\nconflicts with "one":\n- .data.a\n- .data.b',
  );
});

test("what an applier no longer applies goes, unless somebody else has it", async () => {
  const path = `${configMaps}/shrinking`;
  await applyAs("one", path, config("shrinking", { a: "1", b: "1", c: "1" }));
  await applyAs("two", path, config("shrinking", { b: "1" }));
  await mergeAs("editor", path, { data: { d: "1" } });
  const { body } = await applyAs("one", path, config("shrinking", { a: "1" }));
  assert.deepEqual(body["data"], { a: "1", b: "1", d: "1" });
  const gone = await applyAs("one", path, {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "shrinking" },
  });
  assert.deepEqual(gone.body["data"], { b: "1", d: "1" });
  assert.ok(
    !owners(gone.body).some((owner) => owner.startsWith("one ")),
    "who applies nothing owns nothing",
  );
});

test("the last label that was applied takes the map of labels with it", async () => {
  const path = `${configMaps}/labelled`;
  await applyAs("me", path, config("labelled", { a: "1" }, { labels: { x: "1" } }));
  const { body } = await applyAs("me", path, config("labelled", { a: "1" }));
  assert.equal("labels" in body["metadata"], false);
});

test("items of a keyed list are applied one by one, told apart by all their keys", async () => {
  const path = "/api/v1/namespaces/default/services/dns";
  const service = (...ports: object[]) => ({
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "dns" },
    spec: { ports },
  });
  const [tcp, udp] = [
    { name: "tcp", port: 53 },
    { name: "udp", port: 53, protocol: "UDP" },
  ];
  assert.equal((await applyAs("tcp", path, service(tcp))).status, 201);
  const both = await applyAs("udp", path, service(udp));
  assert.equal(both.status, 200, both.text);
  assert.deepEqual(
    both.body["spec"].ports.map((port: Body) => [port["port"], port["protocol"]]),
    [
      [53, "TCP"],
      [53, "UDP"],
    ],
  );
  const keys = both.body["metadata"].managedFields.flatMap((entry: Body) =>
    Object.keys(entry["fieldsV1"]["f:spec"]["f:ports"]),
  );
  assert.deepEqual(keys, ['k:{"port":53,"protocol":"TCP"}', 'k:{"port":53,"protocol":"UDP"}']);
  const left = await applyAs("udp", path, service());
  assert.deepEqual(
    left.body["spec"].ports.map((port: Body) => port["name"]),
    ["tcp"],
  );
  const twice = await applyAs("tcp", path, service(tcp, tcp));
  assert.equal(twice.status, 400, twice.text);
  assert.match(twice.body["message"], /duplicate entries for key \[port=53,protocol="TCP"\]/);
});

test("a container goes with whoever brought it, though others have changed it; defaults go with it", async () => {
  const path = `${deployments}/sidecar`;
  const two = {
    containers: [
      { name: "web", image: "x" },
      { name: "side", image: "y" },
    ],
  };
  const both = { metadata: { labels: { app: "web" } }, spec: two };
  await applyAs("me", path, deployment("sidecar", { template: both }));
  await api.send("PATCH", `${path}?fieldManager=editor`, {
    contentType: "application/strategic-merge-patch+json",
    body: {
      spec: {
        template: { spec: { containers: [{ name: "side", env: [{ name: "E", value: "1" }] }] } },
      },
    },
  });
  const { body } = await applyAs("me", path, deployment("sidecar"));
  assert.deepEqual(
    body["spec"].template.spec.containers.map((each: Body) => each["name"]),
    ["web"],
  );
  assert.ok(
    !owners(body).some((owner) => owner.startsWith("editor ")),
    "of what is gone nothing is owned",
  );
});

test("an update takes the fields that it changes from whoever applied them", async () => {
  const path = `${configMaps}/taken-over`;
  await applyAs("me", path, config("taken-over", { a: "1", b: "1" }));
  const { body } = await mergeAs("editor", path, { data: { a: "2" } });
  assert.deepEqual(owners(body), [
    'me Apply v1: {"f:data":{"f:b":{}}}',
    'editor Update v1: {"f:data":{"f:a":{}}}',
  ]);
  const { status } = await applyAs("me", path, config("taken-over", { a: "2", b: "1" }));
  assert.equal(status, 200, "an equal value is no conflict, and shared");
});

test("what is applied again unchanged is no event", async () => {
  const path = `${deployments}/still`;
  const first = await applyAs("me", path, deployment("still"));
  const again = await applyAs("me", path, deployment("still"));
  assert.deepEqual(again.body, first.body);
});

test("the status has an account of its own", async () => {
  await api.create(pods, pod("running"));
  const status = {
    conditions: [
      { type: "Ready", status: "True" },
      { type: "Initialized", status: "True" },
    ],
  };
  const body = { apiVersion: "v1", kind: "Pod", metadata: { name: "running" }, status };
  const answer = await applyAs("kubelet", `${pods}/running/status`, body);
  assert.equal(answer.status, 200, answer.text);
  assert.deepEqual(
    owners(answer.body)[0],
    'kubelet Apply v1/status: {"f:status":{"f:conditions":{"k:{\\"type\\":\\"Initialized\\"}":{".":{},"f:status":{},"f:type":{}},"k:{\\"type\\":\\"Ready\\"}":{".":{},"f:status":{},"f:type":{}}}}}',
  );
  assert.equal(answer.body["status"].phase, "Pending", "what others set stays");
  const main = await applyAs("other", `${pods}/running`, {
    ...body,
    metadata: { ...body.metadata, labels: { a: "1" } },
  });
  assert.equal(main.status, 200, main.text);
  const other = owners(main.body).find((owner) => owner.startsWith("other "));
  assert.equal(
    other,
    'other Apply v1: {"f:metadata":{"f:labels":{"f:a":{}}}}',
    "a status applied there is nobody's",
  );
  assert.equal(
    (await applyAs("k", `${pods}/nothing/status`, { ...body, metadata: {} })).status,
    404,
  );
});

test("a rehearsed apply finds conflicts and changes nothing", async () => {
  const path = `${configMaps}/rehearsed`;
  const { body } = await applyAs("me", path, config("rehearsed", { a: "1" }), "&dryRun=All");
  assert.equal(body["data"].a, "1");
  assert.equal((await api.send("GET", path)).status, 404);
  const first = await applyAs("me", path, config("rehearsed", { a: "1" }));
  assert.equal(
    (await applyAs("you", path, config("rehearsed", { a: "2" }), "&dryRun=All")).status,
    409,
  );
  assert.deepEqual((await api.send("GET", path)).body, first.body);
});

test("the first apply of an object that nobody kept account of leaves the rest to before-first-apply", async () => {
  const path = `${configMaps}/old`;
  await api.create(configMaps, config("old", { a: "1", b: "1" }));
  const cleared = await mergeAs("janitor", path, { metadata: { managedFields: [{}] } });
  assert.deepEqual(owners(cleared.body), []);
  const changed = await mergeAs("editor", path, { data: { b: "2" } });
  assert.deepEqual(owners(changed.body), [], "an update does not begin an account");
  const refused = await applyAs("me", path, config("old", { a: "2" }));
  assert.equal(
    refused.body["message"],
    'Apply failed with 1 conflict: conflict with "before-first-apply" using v1: .data.a',
  );
  const { body } = await applyAs("me", path, config("old", { a: "1" }));
  assert.deepEqual(owners(body), [
    'me Apply v1: {"f:data":{"f:a":{}}}',
    'before-first-apply Update v1: {"f:data":{".":{},"f:a":{},"f:b":{}}}',
  ]);
});

test("managedFields can be corrected by who sends them, and are kept from who sends none", async () => {
  const path = `${configMaps}/corrected`;
  const made = await applyAs("me", path, config("corrected", { a: "1" }));
  const { managedFields, ...metadata } = made.body["metadata"];
  const kept = await api.send("PUT", path, { body: { ...made.body, metadata } });
  assert.deepEqual(kept.body["metadata"].managedFields, managedFields);
  const mine = [{ ...managedFields[0], manager: "you" }];
  const corrected = await api.send("PUT", path, {
    body: { ...made.body, metadata: { ...metadata, managedFields: mine } },
  });
  assert.deepEqual(corrected.body["metadata"].managedFields, mine);
  const wrong = await api.send("PUT", path, {
    body: {
      ...made.body,
      metadata: {
        ...metadata,
        managedFields: [{ manager: "x", operation: "Own" }],
        resourceVersion: undefined,
      },
    },
  });
  assert.deepEqual(wrong.body["metadata"].managedFields, mine, "what cannot be read says nothing");
});

test("kubectl takes over without conflicts what it applied client-side", async () => {
  const path = `${configMaps}/upgraded`;
  const last = JSON.stringify(config("upgraded", { a: "1", b: "1" }));
  const annotations = { "kubectl.kubernetes.io/last-applied-configuration": last };
  await api.send("POST", `${configMaps}?fieldManager=kubectl-client-side-apply`, {
    body: config("upgraded", { a: "1", b: "1" }, { annotations }),
  });
  await mergeAs("editor", path, { data: { b: "9" } });
  const refused = await applyAs("kubectl", path, config("upgraded", { a: "2", b: "2" }));
  assert.equal(
    refused.body["message"],
    'Apply failed with 1 conflict: conflict with "editor" using v1: .data.b',
  );
  const { body, status } = await applyAs("kubectl", path, config("upgraded", { a: "2" }));
  assert.equal(status, 200);
  const synced = JSON.parse(
    body["metadata"].annotations["kubectl.kubernetes.io/last-applied-configuration"],
  );
  assert.deepEqual(synced.data, { a: "2" });
});

test("at most ten who update are remembered one by one", async () => {
  const path = `${configMaps}/crowded`;
  await api.create(configMaps, config("crowded", {}));
  for (let index = 0; index < 14; index++)
    await mergeAs(`m${String(index).padStart(2, "0")}`, path, { data: { [`k${index}`]: "1" } });
  const { body } = await api.send("GET", path);
  const names = body["metadata"].managedFields.map((entry: Body) => entry["manager"]);
  assert.equal(names.length, 10);
  assert.equal(names[0], "ancient-changes");
  assert.equal(Object.keys(body["metadata"].managedFields[0].fieldsV1["f:data"]).length, 6);
});

const crd = (name: string, properties: object, more: object = {}) => ({
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: `${name}s.test.tsilium.io` },
  spec: {
    group: "test.tsilium.io",
    scope: "Namespaced",
    names: { plural: `${name}s`, kind: name[0]?.toUpperCase() + name.slice(1) },
    versions: [
      {
        name: "v1",
        served: true,
        storage: true,
        schema: { openAPIV3Schema: { type: "object", properties } },
        ...more,
      },
    ],
  },
});
const definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const customs = (plural: string) => `/apis/test.tsilium.io/v1/namespaces/default/${plural}`;

test("custom kinds merge by their schema's list and map types", async () => {
  const text = { type: "string" };
  const item = {
    type: "object",
    required: ["id"],
    properties: { id: text, v: text, p: { ...text, default: "d" } },
  };
  const spec = {
    type: "object",
    properties: {
      tags: { type: "array", items: text, "x-kubernetes-list-type": "set" },
      whole: { type: "array", items: text },
      items: {
        type: "array",
        items: item,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["id", "p"],
      },
      one: { type: "object", properties: { a: text, b: text }, "x-kubernetes-map-type": "atomic" },
      free: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
    },
  };
  await api.create(definitions, crd("widget", { spec }));
  const path = `${customs("widgets")}/w`;
  const widget = (value: object) => ({
    apiVersion: "test.tsilium.io/v1",
    kind: "Widget",
    metadata: { name: "w" },
    spec: value,
  });
  const first = await applyAs(
    "a",
    path,
    widget({
      tags: ["x"],
      whole: ["1"],
      items: [{ id: "i", v: "1" }],
      one: { a: "1" },
      free: { deep: { x: 1 } },
    }),
  );
  assert.equal(first.status, 201, first.text);
  assert.deepEqual(owners(first.body), [
    'a Apply test.tsilium.io/v1: {"f:spec":{"f:free":{"f:deep":{".":{},"f:x":{}}},"f:items":{"k:{\\"id\\":\\"i\\",\\"p\\":\\"d\\"}":{".":{},"f:id":{},"f:v":{}}},"f:one":{},"f:tags":{"v:\\"x\\"":{}},"f:whole":{}}}',
  ]);
  const second = await applyAs(
    "b",
    path,
    widget({ tags: ["y", "x"], items: [{ id: "i", p: "e" }], free: { deep: { y: 2 } } }),
  );
  assert.equal(second.status, 200, second.text);
  assert.deepEqual(second.body["spec"].tags, ["y", "x"]);
  assert.equal(second.body["spec"].items.length, 2);
  assert.deepEqual(second.body["spec"].free, { deep: { x: 1, y: 2 } });
  for (const whole of [{ whole: ["2"] }, { one: { b: "1" } }])
    assert.equal((await applyAs("b", path, widget(whole))).status, 409, JSON.stringify(whole));
  const third = await applyAs("a", path, widget({ tags: ["z"] }));
  assert.deepEqual(third.body["spec"].tags, ["y", "x", "z"], "what b has stays in its place");
});

/** sentence, path, body, query, status, message */
const refusals: readonly (readonly [string, string, object, string, number, RegExp])[] = [
  [
    "no manager",
    "/x",
    config("x", {}),
    "?",
    422,
    /^PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch$/,
  ],
  [
    "a manager's name that is too long",
    "/x",
    config("x", {}),
    `?fieldManager=${"m".repeat(129)}`,
    422,
    /fieldManager: Too long/,
  ],
  [
    "another version",
    "/x",
    { ...config("x", {}), apiVersion: "v2" },
    "?fieldManager=m",
    400,
    /^Incorrect version specified in apply patch. Specified patch version: v2, expected: v1$/,
  ],
  [
    "another name",
    "/x",
    config("y", {}),
    "?fieldManager=m",
    400,
    /does not match the name on the URL/,
  ],
  [
    "managedFields of its own",
    "/x",
    config("x", {}, { managedFields: [{}] }),
    "?fieldManager=m",
    400,
    /^metadata.managedFields must be nil$/,
  ],
  [
    "a uid that is nobody's",
    "/x",
    config("x", {}, { uid: "u" }),
    "?fieldManager=m",
    409,
    /uid mismatch/,
  ],
  [
    "a field that the kind does not have",
    "/x",
    { ...config("x", {}), nope: 1 },
    "?fieldManager=m",
    500,
    /^failed to create typed patch object \(default\/x; v1, Kind=ConfigMap\): \.nope: field not declared in schema$/,
  ],
];
for (const [sentence, path, body, query, status, message] of refusals) {
  test(`an apply is refused for ${sentence}`, async () => {
    const contentType = "application/apply-patch+yaml";
    const answer = await api.send("PATCH", `${configMaps}${path}${query}`, { contentType, body });
    assert.equal(answer.status, status, answer.text);
    assert.match(answer.body["message"], message);
  });
}

test("force is for applies alone", async () => {
  await api.create(configMaps, configMap("unforced"));
  const { status, body } = await api.send("PATCH", `${configMaps}/unforced?force=true`, {
    contentType: "application/merge-patch+json",
    body: {},
  });
  assert.equal(status, 422);
  assert.match(body["message"], /force: Forbidden: may not be specified for non-apply patch/);
});

test("an apply in YAML is as good, and a resourceVersion in it is held to", async () => {
  const contentType = "application/apply-patch+yaml";
  const raw = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: yaml\ndata:\n  a: '1'\n";
  const path = `${configMaps}/yaml?fieldManager=y`;
  const { status, body } = await api.send("PATCH", path, { contentType, raw });
  assert.equal(status, 201);
  assert.deepEqual(body["data"], { a: "1" });
  const stale = await applyAs(
    "y",
    `${configMaps}/yaml`,
    config("yaml", { a: "2" }, { resourceVersion: "1" }),
  );
  assert.equal(stale.status, 409);
});
