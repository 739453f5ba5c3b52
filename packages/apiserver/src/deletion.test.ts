// What becomes of objects that are deleted: finalizers, policies for dependents, grace periods, preconditions.
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

const held = { finalizers: ["example.com/hold"] };
const remove = (path: string, body?: object) => api.send("DELETE", path, body ? { body } : {});

/** options, the finalizers that remain */
const policies: readonly (readonly [object, readonly string[]])[] = [
  [{}, ["example.com/hold"]],
  [{ propagationPolicy: "Background" }, ["example.com/hold"]],
  [{ propagationPolicy: "Foreground" }, ["example.com/hold", "foregroundDeletion"]],
  [{ propagationPolicy: "Orphan" }, ["example.com/hold", "orphan"]],
  [{ orphanDependents: true }, ["example.com/hold", "orphan"]],
  [{ orphanDependents: false }, ["example.com/hold"]],
];
for (const [index, [options, expected]] of policies.entries()) {
  test(`a deletion with ${JSON.stringify(options)} leaves its finalizers`, async () => {
    await api.create(configMaps, configMap(`p${index}`, held));
    const { status, body } = await remove(`${configMaps}/p${index}`, options);
    assert.equal(status, 200);
    assert.deepEqual(body["metadata"].finalizers, expected);
    assert.ok(body["metadata"].deletionTimestamp);
    assert.equal(body["metadata"].deletionGracePeriodSeconds, 0);
  });
}

test("the policy that was asked for last counts; without one the first stays", async () => {
  await api.create(configMaps, configMap("changed", held));
  const path = `${configMaps}/changed`;
  const first = await remove(path, { propagationPolicy: "Orphan" });
  const again = await remove(path);
  assert.deepEqual(again.body, first.body, "nothing new is no event");
  const other = await remove(path, { propagationPolicy: "Foreground" });
  assert.deepEqual(other.body["metadata"].finalizers, ["example.com/hold", "foregroundDeletion"]);
  assert.equal(other.body["metadata"].deletionTimestamp, first.body["metadata"].deletionTimestamp);
  const none = await remove(path, { propagationPolicy: "Background" });
  assert.deepEqual(none.body["metadata"].finalizers, ["example.com/hold"]);
});

test("a deletion in the foreground waits for the collector", async () => {
  await api.create(configMaps, configMap("waiting"));
  const path = `${configMaps}/waiting`;
  await remove(path, { propagationPolicy: "Foreground" });
  assert.equal((await api.send("GET", path)).status, 200);
  const contentType = "application/merge-patch+json";
  await api.send("PATCH", path, { contentType, body: { metadata: { finalizers: null } } });
  assert.equal((await api.send("GET", path)).status, 404);
});

/** options, message */
const refusals: readonly (readonly [object, number, RegExp])[] = [
  [{ propagationPolicy: "Sideways" }, 422, /propagationPolicy: Unsupported value: "Sideways"/],
  [{ propagationPolicy: "Orphan", orphanDependents: true }, 422, /cannot be both set/],
  [{ gracePeriodSeconds: "soon" }, 400, /gracePeriodSeconds must be an integer/],
  [{ preconditions: { uid: "other" } }, 409, /Precondition failed: UID in precondition: other/],
  [{ preconditions: { resourceVersion: "1" } }, 409, /ResourceVersion in precondition: 1/],
];
for (const [options, expected, message] of refusals) {
  test(`a deletion is refused with ${JSON.stringify(options)}`, async () => {
    await api.send("POST", configMaps, { body: configMap("stays") });
    const { status, body } = await remove(`${configMaps}/stays`, options);
    assert.equal(status, expected);
    assert.match(body["message"], message);
    assert.equal((await api.send("GET", `${configMaps}/stays`)).status, 200);
  });
}

test("a shorter grace period counts from the first request", async () => {
  const spec = { nodeName: "node-1", terminationGracePeriodSeconds: 100 };
  await api.create(pods, pod("hurried", { spec }));
  const first = (await remove(`${pods}/hurried`)).body["metadata"];
  const then = (await remove(`${pods}/hurried`, { gracePeriodSeconds: 40 })).body["metadata"];
  assert.equal(then.deletionGracePeriodSeconds, 40);
  const earlier = Date.parse(first.deletionTimestamp) - Date.parse(then.deletionTimestamp);
  assert.equal(earlier, 60_000);
  assert.equal(then.generation, first.generation, "a deletion is counted once");
  const least = (await remove(`${pods}/hurried`, { gracePeriodSeconds: -5 })).body["metadata"];
  assert.equal(least.deletionGracePeriodSeconds, 1, "a time that cannot be is the shortest");
});

test("a collection is deleted by its labels, each object as it is by itself", async () => {
  const collection = "/api/v1/namespaces/kube-public/configmaps";
  for (const [name, tier] of [
    ["a", "x"],
    ["b", "x"],
    ["c", "y"],
  ] as const)
    await api.create(
      collection,
      configMap(name, { labels: { tier }, ...(name === "b" ? held : {}) }),
    );
  const rehearsed = await remove(`${collection}?labelSelector=tier%3Dx&dryRun=All`);
  assert.equal(rehearsed.status, 200);
  const { status, body } = await remove(`${collection}?labelSelector=tier%3Dx`);
  assert.equal(status, 200);
  assert.equal(body["kind"], "ConfigMapList");
  const left = await api.send("GET", collection);
  const names = left.body["items"].map(
    (item: { metadata: { name: string } }) => item.metadata.name,
  );
  assert.deepEqual(names, ["b", "c"]);
});

/** path, object, kind of the answer once it is gone: as Kubernetes' own stores have it */
const answers: readonly (readonly [string, object, string])[] = [
  [pods, pod("answered"), "Pod"],
  [
    "/api/v1/namespaces/default/services",
    { metadata: { name: "answered" }, spec: { ports: [{ port: 80 }] } },
    "Service",
  ],
  [
    "/api/v1/namespaces/default/serviceaccounts",
    { metadata: { name: "answered" } },
    "ServiceAccount",
  ],
  [configMaps, configMap("answered"), "Status"],
];
for (const [path, object, kind] of answers) {
  test(`who deletes at ${path} is answered a ${kind}`, async () => {
    const made = await api.create(path, object);
    const { status, body } = await remove(`${path}/answered`, { gracePeriodSeconds: 0 });
    assert.deepEqual([status, body["kind"]], [200, kind]);
    const uid = kind === "Status" ? body["details"].uid : body["metadata"].uid;
    assert.equal(uid, made["metadata"].uid);
    assert.equal((await api.send("GET", `${path}/answered`)).status, 404);
  });
}

test("an eviction deletes its pod, a rehearsed one does not, and one of another name is refused", async () => {
  await api.create(pods, pod("evicted"));
  const path = `${pods}/evicted/eviction`;
  const eviction = (name: string, deleteOptions?: object) => ({
    body: { apiVersion: "policy/v1", kind: "Eviction", metadata: { name }, deleteOptions },
  });
  assert.equal((await api.send("POST", path, eviction("other"))).status, 400);
  assert.equal((await api.send("GET", path)).status, 405);
  const { status } = await api.send("POST", path, { ...eviction("evicted"), token: "node-token" });
  assert.equal(status, 403);
  const rehearsed = await api.send("POST", path, eviction("evicted", { dryRun: ["All"] }));
  assert.equal(rehearsed.status, 201, rehearsed.text);
  assert.equal((await api.send("GET", `${pods}/evicted`)).status, 200);
  const done = await api.send("POST", path, eviction("evicted"));
  assert.deepEqual([done.status, done.body["status"]], [201, "Success"]);
  assert.equal((await api.send("GET", `${pods}/evicted`)).status, 404);
  assert.equal((await api.send("POST", path, eviction("evicted"))).status, 404);
});
