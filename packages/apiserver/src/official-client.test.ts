// The official JavaScript client (@kubernetes/client-node) lists, watches, patches, applies and scales here.
import { strict as assert } from "node:assert";
import { after, before, test } from "node:test";
import {
  ApiException,
  AppsV1Api,
  CoreV1Api,
  CustomObjectsApi,
  ApiextensionsV1Api,
  KubeConfig,
  KubernetesObjectApi,
  makeInformer,
  PatchStrategy,
  setHeaderOptions,
  Watch,
  type KubernetesObject,
  type V1ConfigMap,
} from "@kubernetes/client-node";
import { TestServer } from "./testing/server.ts";

const namespace = "default";
let api: TestServer;
const config = new KubeConfig();
before(async () => {
  api = await TestServer.start();
  config.loadFromOptions({
    clusters: [
      { name: "c", server: api.server.origin, caData: Buffer.from(api.pki.ca).toString("base64") },
    ],
    users: [{ name: "u", token: "admin-token" }],
    contexts: [{ name: "x", cluster: "c", user: "u" }],
    currentContext: "x",
  });
});
after(async () => {
  await api[Symbol.asyncDispose]();
  assert.deepEqual(api.faults, []);
});

const map = (name: string, data: Record<string, string>): V1ConfigMap => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, namespace },
  data,
});

/** Waits for what comes on its own; the test's own time limit ends it. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
}

test("it reads what it writes, page by page", async () => {
  const core = config.makeApiClient(CoreV1Api);
  for (const name of ["p1", "p2", "p3"]) {
    const body = { metadata: { name, labels: { page: "yes" } } };
    await core.createNamespacedConfigMap({ namespace, body });
  }
  const names: string[] = [];
  let _continue: string | undefined;
  do {
    const page = await core.listNamespacedConfigMap({
      namespace,
      labelSelector: "page=yes",
      limit: 2,
      ...(_continue ? { _continue } : {}),
    });
    names.push(...page.items.map((item) => item.metadata?.name ?? ""));
    _continue = page.metadata?._continue;
  } while (_continue);
  assert.deepEqual(names, ["p1", "p2", "p3"]);
});

test("its refusals come as the exceptions it knows", async () => {
  const core = config.makeApiClient(CoreV1Api);
  await assert.rejects(
    core.readNamespacedPod({ namespace, name: "none" }),
    (error) => error instanceof ApiException && error.code === 404,
  );
});

test(
  "it watches from a version, and its informer keeps up with what happens",
  { timeout: 20_000 },
  async () => {
    const core = config.makeApiClient(CoreV1Api);
    const path = `/api/v1/namespaces/${namespace}/configmaps`;
    const selected = { labelSelector: "watched=yes" };
    const list = () => core.listNamespacedConfigMap({ namespace, ...selected });
    const seen: string[] = [];
    const { metadata } = await list();
    const { promise, resolve } = Promise.withResolvers<void>();
    const watching = await new Watch(config).watch(
      path,
      { ...selected, resourceVersion: metadata?.resourceVersion, allowWatchBookmarks: false },
      (phase: string, object: KubernetesObject) => seen.push(`${phase} ${object.metadata?.name}`),
      () => resolve(),
    );
    const informer = makeInformer(config, path, list, selected.labelSelector);
    const known = new Map<string, string | undefined>();
    informer.on("add", (item) => known.set(item.metadata?.name ?? "", item.data?.["a"]));
    informer.on("update", (item) => known.set(item.metadata?.name ?? "", item.data?.["a"]));
    informer.on("delete", (item) => known.delete(item.metadata?.name ?? ""));
    await informer.start();
    const labels = { watched: "yes" };
    const body = { metadata: { name: "w", labels }, data: { a: "1" } };
    await core.createNamespacedConfigMap({ namespace, body });
    await core.replaceNamespacedConfigMap({
      namespace,
      name: "w",
      body: { ...body, data: { a: "2" } },
    });
    await until(() => seen.length === 2 && known.get("w") === "2");
    await core.deleteNamespacedConfigMap({ namespace, name: "w" });
    await until(() => seen.length === 3 && known.size === 0);
    assert.deepEqual(seen, ["ADDED w", "MODIFIED w", "DELETED w"]);
    await informer.stop();
    watching.abort();
    await promise;
  },
);

test("it patches in each way that there is", async () => {
  const core = config.makeApiClient(CoreV1Api);
  await core.createNamespacedConfigMap({ namespace, body: map("patched", { a: "1" }) });
  const patch = async (strategy: PatchStrategy, body: object) => {
    const options = setHeaderOptions("Content-Type", strategy);
    const name = "patched";
    const result = await core.patchNamespacedConfigMap(
      { namespace, name, body, fieldManager: "official", force: undefined },
      options,
    );
    return result.data;
  };
  const json = [{ op: "add", path: "/data/b", value: "1" }];
  assert.deepEqual(await patch(PatchStrategy.JsonPatch, json), { a: "1", b: "1" });
  const merge = { data: { a: null, c: "1" } };
  assert.deepEqual(await patch(PatchStrategy.MergePatch, merge), { b: "1", c: "1" });
  const strategic = { data: { $patch: "replace", d: "1" } };
  assert.deepEqual(await patch(PatchStrategy.StrategicMergePatch, strategic), { d: "1" });
});

test("it applies, and hears of conflicts", async () => {
  const objects = KubernetesObjectApi.makeApiClient(config);
  const apply = (manager: string, data: Record<string, string>, force: boolean) =>
    objects.patch(
      map("applied", data),
      undefined,
      undefined,
      manager,
      force,
      PatchStrategy.ServerSideApply,
    );
  const made: KubernetesObject = await apply("one", { a: "1" }, false);
  assert.deepEqual(
    made.metadata?.managedFields?.map((entry) => [entry.manager, entry.operation]),
    [["one", "Apply"]],
  );
  await assert.rejects(
    apply("two", { a: "2" }, false),
    (error) =>
      error instanceof ApiException &&
      error.code === 409 &&
      /conflict with .*one/.test(String(error.body)),
  );
  const forced: V1ConfigMap = await apply("two", { a: "2" }, true);
  assert.deepEqual(forced.data, { a: "2" });
});

test("it scales a deployment and deletes it with a policy", async () => {
  const apps = config.makeApiClient(AppsV1Api);
  const name = "scaled";
  const labels = { app: name };
  const spec = {
    selector: { matchLabels: labels },
    template: { metadata: { labels }, spec: { containers: [{ name: "c", image: "x" }] } },
  };
  await apps.createNamespacedDeployment({ namespace, body: { metadata: { name }, spec } });
  const scale = await apps.readNamespacedDeploymentScale({ namespace, name });
  assert.equal(scale.spec?.replicas, 1);
  await apps.replaceNamespacedDeploymentScale({
    namespace,
    name,
    body: { ...scale, spec: { replicas: 4 } },
  });
  const { spec: now } = await apps.readNamespacedDeployment({ namespace, name });
  assert.equal(now?.replicas, 4);
  await apps.deleteNamespacedDeployment({ namespace, name, propagationPolicy: "Foreground" });
  const left = await apps.readNamespacedDeployment({ namespace, name });
  assert.deepEqual(left.metadata?.finalizers, ["foregroundDeletion"]);
});

test("it works with kinds that a definition makes", async () => {
  const definitions = config.makeApiClient(ApiextensionsV1Api);
  const custom = config.makeApiClient(CustomObjectsApi);
  const [group, version, plural] = ["test.tsilium.io", "v1", "gears"];
  const properties = { spec: { type: "object", properties: { teeth: { type: "integer" } } } };
  await definitions.createCustomResourceDefinition({
    body: {
      metadata: { name: `${plural}.${group}` },
      spec: {
        group,
        scope: "Namespaced",
        names: { plural, kind: "Gear" },
        versions: [
          {
            name: version,
            served: true,
            storage: true,
            schema: { openAPIV3Schema: { type: "object", properties } },
          },
        ],
      },
    },
  });
  const where = { group, version, plural, namespace };
  const body = {
    apiVersion: `${group}/${version}`,
    kind: "Gear",
    metadata: { name: "g" },
    spec: { teeth: 9 },
  };
  await custom.createNamespacedCustomObject({ ...where, body });
  const patched = await custom.patchNamespacedCustomObject(
    { ...where, name: "g", body: { spec: { teeth: 12 } } },
    setHeaderOptions("Content-Type", PatchStrategy.MergePatch),
  );
  assert.equal(patched.spec.teeth, 12);
});
