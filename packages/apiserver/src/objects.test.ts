// What happens to single objects: created, read, replaced, patched, deleted.
import { strict as assert } from "node:assert";
import { after, before, test } from "node:test";
import { configMap, configMaps, pod, pods, TestServer } from "./testing/server.ts";

let api: TestServer;
before(async () => {
  api = await TestServer.start();
});
after(async () => {
  await api[Symbol.asyncDispose]();
  assert.deepEqual(api.faults, []);
});

test("a new object gets uid, creation time and resource version from the server", async () => {
  const made = await api.create(configMaps, configMap("stamped", { uid: "mine", generation: 7 }));
  assert.match(made["metadata"].uid, /^[0-9a-f-]{36}$/);
  assert.match(made["metadata"].creationTimestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  assert.equal(made["metadata"].generation, undefined, "ConfigMaps do not count their states");
  assert.equal(made["metadata"].namespace, "default");
  const { body } = await api.send("GET", `${configMaps}/stamped`);
  assert.deepEqual(body, made);
});

test("a name that is taken is refused as AlreadyExists", async () => {
  await api.create(configMaps, configMap("taken"));
  const { status, body } = await api.send("POST", configMaps, { body: configMap("taken") });
  assert.equal(status, 409);
  assert.deepEqual(body, {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message: 'configmaps "taken" already exists',
    reason: "AlreadyExists",
    details: { name: "taken", kind: "configmaps" },
    code: 409,
  });
});

test("generateName gives each object a name of its own", async () => {
  const names = new Set<string>();
  for (let index = 0; index < 20; index++) {
    const made = await api.create(configMaps, { metadata: { generateName: "gen-" } });
    names.add(made["metadata"].name);
    assert.match(made["metadata"].name, /^gen-[a-z0-9]{5}$/);
  }
  assert.equal(names.size, 20);
});

test("what is not there is NotFound", async () => {
  const { status, body } = await api.send("GET", `${configMaps}/nothing`);
  assert.equal(status, 404);
  assert.equal(body["message"], 'configmaps "nothing" not found');
});

test("nothing is created in a namespace that is not there", async () => {
  const { status, body } = await api.send("POST", "/api/v1/namespaces/nowhere/configmaps", {
    body: configMap("a"),
  });
  assert.equal(status, 404);
  assert.equal(body["message"], 'namespaces "nowhere" not found');
});

test("a replacement with an old resource version conflicts and changes nothing", async () => {
  const first = await api.create(configMaps, configMap("contended"));
  const second = await api.send("PUT", `${configMaps}/contended`, {
    body: { ...first, data: { a: "2" } },
  });
  assert.equal(second.status, 200);
  const third = await api.send("PUT", `${configMaps}/contended`, {
    body: { ...first, data: { a: "3" } },
  });
  assert.equal(third.status, 409);
  assert.equal(third.body["reason"], "Conflict");
  assert.deepEqual((await api.send("GET", `${configMaps}/contended`)).body["data"], { a: "2" });
});

test("a replacement without a resource version always wins", async () => {
  await api.create(configMaps, configMap("unconditional"));
  const { status, body } = await api.send("PUT", `${configMaps}/unconditional`, {
    body: { metadata: { name: "unconditional" }, data: { b: "2" } },
  });
  assert.equal(status, 200);
  assert.deepEqual(body["data"], { b: "2" });
});

test("a write that changes nothing is no new version", async () => {
  const made = await api.create(configMaps, configMap("idle"));
  const { body } = await api.send("PUT", `${configMaps}/idle`, { body: made });
  assert.equal(body["metadata"].resourceVersion, made["metadata"].resourceVersion);
});

test("a body that speaks of another object is refused", async () => {
  await api.create(configMaps, configMap("self"));
  const rows: readonly [string, object, RegExp][] = [
    [
      "another name",
      { metadata: { name: "other" } },
      /name of the object \(other\) does not match/,
    ],
    [
      "another namespace",
      { metadata: { name: "self", namespace: "kube-system" } },
      /namespace of the provided/,
    ],
    ["another kind", { kind: "Secret", metadata: { name: "self" } }, /kind in the data \(Secret\)/],
    [
      "another version",
      { apiVersion: "v2", metadata: { name: "self" } },
      /API version in the data \(v2\)/,
    ],
  ];
  for (const [what, body, message] of rows) {
    const answer = await api.send("PUT", `${configMaps}/self`, { body });
    assert.equal(answer.status, 400, what);
    assert.match(answer.body["message"], message);
  }
});

test("a merge patch adds, changes and removes fields", async () => {
  await api.create(configMaps, {
    metadata: { name: "merged", labels: { a: "1", b: "2" } },
    data: { k: "v" },
  });
  const { body } = await api.send("PATCH", `${configMaps}/merged`, {
    contentType: "application/merge-patch+json",
    body: { metadata: { labels: { a: null, c: "3" } }, data: { k: "w" } },
  });
  assert.deepEqual(body["metadata"].labels, { b: "2", c: "3" });
  assert.deepEqual(body["data"], { k: "w" });
});

test("a JSON patch applies all of its operations or none", async () => {
  await api.create(configMaps, configMap("patched"));
  const contentType = "application/json-patch+json";
  const good = await api.send("PATCH", `${configMaps}/patched`, {
    contentType,
    body: [
      { op: "test", path: "/data/a", value: "1" },
      { op: "add", path: "/data/b", value: "2" },
    ],
  });
  assert.deepEqual(good.body["data"], { a: "1", b: "2" });
  const bad = await api.send("PATCH", `${configMaps}/patched`, {
    contentType,
    body: [
      { op: "remove", path: "/data/a" },
      { op: "test", path: "/data/b", value: "wrong" },
    ],
  });
  assert.equal(bad.status, 422);
  assert.deepEqual((await api.send("GET", `${configMaps}/patched`)).body["data"], {
    a: "1",
    b: "2",
  });
});

test("a patch that names a resource version conflicts when that is old", async () => {
  const made = await api.create(configMaps, configMap("guarded"));
  const body = {
    metadata: { resourceVersion: made["metadata"].resourceVersion },
    data: { a: "2" },
  };
  const contentType = "application/merge-patch+json";
  assert.equal(
    (await api.send("PATCH", `${configMaps}/guarded`, { contentType, body })).status,
    200,
  );
  assert.equal(
    (await api.send("PATCH", `${configMaps}/guarded`, { contentType, body })).status,
    409,
  );
});

test("patch types that are not served are refused with those that are", async () => {
  await api.create(configMaps, configMap("typed"));
  for (const contentType of ["application/apply-patch+cbor", "text/plain"]) {
    const { status, body } = await api.send("PATCH", `${configMaps}/typed`, {
      contentType,
      body: {},
    });
    assert.equal(status, 415);
    assert.match(body["message"], /application\/merge-patch\+json, application\/json-patch\+json/);
  }
});

test("a strategic merge patch changes one container and leaves its neighbour alone", async () => {
  const containers = ["a", "b"].map((name) => ({ name, image: "old" }));
  await api.create(pods, pod("merged", { spec: { containers } }));
  const { status, body } = await api.send("PATCH", `${pods}/merged`, {
    contentType: "application/strategic-merge-patch+json",
    body: { spec: { containers: [{ name: "b", image: "new" }] } },
  });
  assert.equal(status, 200);
  assert.deepEqual(
    body["spec"].containers.map((each: { name: string; image: string }) => [each.name, each.image]),
    [
      ["a", "old"],
      ["b", "new"],
    ],
  );
});

test("kubectl gets the OpenAPI document in the form that it asks for", async () => {
  const accept = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
  const { status, headers, text } = await api.send("GET", "/openapi/v2", { headers: { accept } });
  assert.equal(status, 200);
  assert.equal(
    headers["content-type"],
    "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
  );
  assert.ok(text.startsWith("\n\u00032.0"));
});

test("the status is written apart from the rest", async () => {
  await api.create(pods, pod("halves", { spec: { nodeName: "node-1" } }));
  const contentType = "application/merge-patch+json";
  const main = await api.send("PATCH", `${pods}/halves`, {
    contentType,
    body: { metadata: { labels: { a: "b" } }, status: { phase: "Running" } },
  });
  assert.equal(main.body["status"].phase, "Pending");
  assert.deepEqual(main.body["metadata"].labels, { a: "b" });
  const status = await api.send("PATCH", `${pods}/halves/status`, {
    contentType,
    body: {
      metadata: { labels: { a: "c" } },
      spec: { nodeName: "node-2" },
      status: { phase: "Running" },
    },
  });
  assert.equal(status.body["status"].phase, "Running");
  assert.equal(status.body["spec"].nodeName, "node-1");
  assert.deepEqual(status.body["metadata"].labels, { a: "b" });
});

test("the generation counts changes of the spec alone", async () => {
  const made = await api.create("/apis/apps/v1/namespaces/default/deployments", {
    metadata: { name: "counted" },
    spec: {
      selector: { matchLabels: { a: "b" } },
      template: {
        metadata: { labels: { a: "b" } },
        spec: { containers: [{ name: "c", image: "x" }] },
      },
    },
  });
  assert.equal(made["metadata"].generation, 1);
  const path = "/apis/apps/v1/namespaces/default/deployments/counted";
  const contentType = "application/merge-patch+json";
  const patch = async (suffix: string, body: object) =>
    (await api.send("PATCH", path + suffix, { contentType, body })).body["metadata"].generation;
  assert.equal(await patch("", { metadata: { labels: { x: "y" } } }), 1);
  assert.equal(await patch("/status", { status: { replicas: 1 } }), 1);
  assert.equal(await patch("", { spec: { replicas: 3 } }), 2);
});

test("a dry run answers what would be and keeps nothing", async () => {
  const { status, body } = await api.send("POST", `${configMaps}?dryRun=All`, {
    body: configMap("rehearsed"),
  });
  assert.equal(status, 201);
  assert.equal(body["metadata"].name, "rehearsed");
  assert.equal((await api.send("GET", `${configMaps}/rehearsed`)).status, 404);
  const { body: kept } = await api.send("POST", configMaps, { body: configMap("kept") });
  await api.send("DELETE", `${configMaps}/kept?dryRun=All`);
  assert.deepEqual((await api.send("GET", `${configMaps}/kept`)).body, kept);
  assert.equal(
    (await api.send("POST", `${configMaps}?dryRun=Some`, { body: configMap("x") })).status,
    400,
  );
});

test("an object with finalizers stays, marked, until the last is removed", async () => {
  await api.create(
    configMaps,
    configMap("held", { finalizers: ["example.com/a", "example.com/b"] }),
  );
  const marked = await api.send("DELETE", `${configMaps}/held`);
  assert.equal(marked.status, 200);
  assert.ok(marked.body["metadata"].deletionTimestamp);
  const contentType = "application/merge-patch+json";
  const set = (finalizers: string[]) =>
    api.send("PATCH", `${configMaps}/held`, { contentType, body: { metadata: { finalizers } } });
  assert.equal((await set(["example.com/a", "example.com/c"])).status, 422);
  assert.equal((await set(["example.com/a"])).status, 200);
  assert.equal((await api.send("GET", `${configMaps}/held`)).status, 200);
  await set([]);
  assert.equal((await api.send("GET", `${configMaps}/held`)).status, 404);
});

test("a deletion holds to its preconditions", async () => {
  const made = await api.create(configMaps, configMap("particular"));
  const other = await api.send("DELETE", `${configMaps}/particular`, {
    body: { preconditions: { uid: "00000000-0000-0000-0000-000000000000" } },
  });
  assert.equal(other.status, 409);
  const same = await api.send("DELETE", `${configMaps}/particular`, {
    body: { preconditions: { uid: made["metadata"].uid } },
  });
  assert.equal(same.status, 200);
});

test("a bound pod has its grace period; the kubelet's second deletion ends it", async () => {
  await api.create(
    pods,
    pod("graceful", { spec: { nodeName: "node-1", terminationGracePeriodSeconds: 7 } }),
  );
  const first = await api.send("DELETE", `${pods}/graceful`);
  assert.equal(first.body["metadata"].deletionGracePeriodSeconds, 7);
  const longer = await api.send("DELETE", `${pods}/graceful?gracePeriodSeconds=60`);
  assert.equal(longer.body["metadata"].deletionGracePeriodSeconds, 7);
  const shorter = await api.send("DELETE", `${pods}/graceful?gracePeriodSeconds=2`);
  assert.equal(shorter.body["metadata"].deletionGracePeriodSeconds, 2);
  const last = await api.send("DELETE", `${pods}/graceful`, { body: { gracePeriodSeconds: 0 } });
  assert.equal(last.body["kind"], "Pod");
  assert.equal((await api.send("GET", `${pods}/graceful`)).status, 404);
});

test("a pod that no node runs goes at once", async () => {
  await api.create(pods, pod("unbound"));
  await api.send("DELETE", `${pods}/unbound`);
  assert.equal((await api.send("GET", `${pods}/unbound`)).status, 404);
});

test("a pod is bound once", async () => {
  await api.create(pods, pod("bound"));
  const bind = (node: string) =>
    api.send("POST", `${pods}/bound/binding`, { body: { target: { kind: "Node", name: node } } });
  assert.equal((await bind("node-1")).status, 201);
  assert.equal((await bind("node-2")).status, 409);
  assert.equal((await api.send("GET", `${pods}/bound`)).body["spec"].nodeName, "node-1");
});

test("a terminating namespace takes nothing new and ends when it is finalized", async () => {
  await api.create("/api/v1/namespaces", { metadata: { name: "ending" } });
  const inside = "/api/v1/namespaces/ending/configmaps";
  await api.create(inside, configMap("a"));
  const marked = await api.send("DELETE", "/api/v1/namespaces/ending");
  assert.equal(marked.body["status"].phase, "Terminating");
  const refused = await api.send("POST", inside, { body: configMap("b") });
  assert.equal(refused.status, 403);
  assert.equal(refused.body["details"].causes[0].reason, "NamespaceTerminating");
  await api.send("DELETE", `${inside}/a`);
  const finalized = await api.send("PUT", "/api/v1/namespaces/ending/finalize", {
    body: { metadata: { name: "ending" }, spec: { finalizers: [] } },
  });
  assert.equal(finalized.status, 200);
  assert.equal((await api.send("GET", "/api/v1/namespaces/ending")).status, 404);
});

test("the system's namespaces are not deleted", async () => {
  const { status, body } = await api.send("DELETE", "/api/v1/namespaces/kube-system");
  assert.equal(status, 403);
  assert.match(body["message"], /may not be deleted/);
});

test("a collection is deleted by label", async () => {
  for (const name of ["c1", "c2", "c3"]) {
    await api.create(
      configMaps,
      configMap(name, { labels: { batch: name === "c3" ? "no" : "yes" } }),
    );
  }
  const { body } = await api.send("DELETE", `${configMaps}?labelSelector=batch%3Dyes`);
  assert.equal(body["items"].length, 2);
  assert.equal((await api.send("GET", `${configMaps}/c1`)).status, 404);
  assert.equal((await api.send("GET", `${configMaps}/c3`)).status, 200);
});

test("a secret's stringData becomes base64 data", async () => {
  const made = await api.create("/api/v1/namespaces/default/secrets", {
    metadata: { name: "s" },
    stringData: { password: "geheim" },
  });
  assert.equal(made["type"], "Opaque");
  assert.deepEqual(made["data"], { password: "Z2VoZWlt" });
  assert.equal(made["stringData"], undefined);
});

test("everything written is there after a restart, at the same revision", async () => {
  const made = await api.create(configMaps, configMap("durable"));
  const { revision } = api.server;
  await api.restart();
  assert.equal(api.server.revision, revision);
  assert.deepEqual((await api.send("GET", `${configMaps}/durable`)).body, made);
});
