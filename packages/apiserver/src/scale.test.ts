// The scale subresource of Kubernetes' own kinds and of custom ones.
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

const apps = "/apis/apps/v1/namespaces/default";
const workload = (kind: string, name: string) => ({
  apiVersion: "apps/v1",
  kind,
  metadata: { name },
  spec: {
    replicas: 2,
    selector: { matchLabels: { app: "web" }, matchExpressions: [{ key: "x", operator: "Exists" }] },
    template: {
      metadata: { labels: { app: "web", x: "y" } },
      spec: { containers: [{ name: "c", image: "i" }] },
    },
  },
});

for (const [kind, plural] of [
  ["Deployment", "deployments"],
  ["ReplicaSet", "replicasets"],
  ["StatefulSet", "statefulsets"],
] as const) {
  test(`a ${kind} is scaled by what it answers as its Scale`, async () => {
    const path = `${apps}/${plural}/web`;
    const made = await api.create(`${apps}/${plural}`, workload(kind, "web"));
    await api.send("PATCH", `${path}/status`, {
      contentType: "application/merge-patch+json",
      body: { status: { replicas: 1 } },
    });
    const { body: scale } = await api.send("GET", `${path}/scale`);
    const { uid, creationTimestamp } = made["metadata"];
    const { resourceVersion } = scale["metadata"];
    assert.deepEqual(scale, {
      kind: "Scale",
      apiVersion: "autoscaling/v1",
      metadata: { name: "web", namespace: "default", uid, resourceVersion, creationTimestamp },
      spec: { replicas: 2 },
      status: { replicas: 1, selector: "app=web,x" },
    });
    const put = await api.send("PUT", `${path}/scale`, {
      body: { ...scale, spec: { replicas: 5 } },
    });
    assert.equal(put.status, 200, put.text);
    assert.equal(put.body["spec"].replicas, 5);
    const stale = await api.send("PUT", `${path}/scale`, {
      body: { ...scale, spec: { replicas: 6 } },
    });
    assert.equal(stale.status, 409, "its resourceVersion is the object's");
    const { body } = await api.send("GET", path);
    assert.equal(body["spec"].replicas, 5);
    assert.equal(body["metadata"].generation, 2);
  });
}

test("a Scale is patched in every way, and who does it owns the number alone", async () => {
  const path = `${apps}/deployments/patched`;
  await api.create(`${apps}/deployments`, workload("Deployment", "patched"));
  const send = (contentType: string, body: unknown, query = "") =>
    api.send("PATCH", `${path}/scale${query}`, { contentType, body });
  const merge = await send(
    "application/merge-patch+json",
    { spec: { replicas: 3 } },
    "?fieldManager=scaler",
  );
  assert.equal(merge.body["spec"].replicas, 3, merge.text);
  const json = await send(
    "application/json-patch+json",
    [{ op: "replace", path: "/spec/replicas", value: 4 }],
    "?fieldManager=scaler",
  );
  assert.equal(json.body["spec"].replicas, 4, json.text);
  const none = await send(
    "application/merge-patch+json",
    { spec: { replicas: 0 } },
    "?fieldManager=scaler",
  );
  assert.deepEqual(none.body["spec"], {}, "as Go writes a number that is none");
  const applied = {
    apiVersion: "autoscaling/v1",
    kind: "Scale",
    metadata: { name: "patched" },
    spec: { replicas: 9 },
  };
  const type = "application/apply-patch+yaml";
  const refused = await send(type, applied, "?fieldManager=hpa");
  assert.equal(refused.status, 409);
  assert.equal(
    refused.body["message"],
    'Apply failed with 1 conflict: conflict with "scaler" with subresource "scale" using apps/v1: .spec.replicas',
  );
  assert.equal((await send(type, applied, "?fieldManager=hpa&force=true")).status, 200);
  const { body } = await api.send("GET", path);
  assert.equal(body["spec"].replicas, 9);
  const own = body["metadata"].managedFields.filter(
    (entry: Body) => entry["subresource"] === "scale",
  );
  assert.deepEqual(
    own.map((entry: Body) => [entry["manager"], entry["operation"], entry["fieldsV1"]]),
    [["hpa", "Apply", { "f:spec": { "f:replicas": {} } }]],
  );
});

/** body, status, message */
const refusals: readonly (readonly [object, number, RegExp])[] = [
  [
    { spec: { replicas: -1 } },
    422,
    /^Scale.autoscaling "patched" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0$/,
  ],
  [{ spec: { replicas: "2" } }, 400, /must be an integer/],
  [{ apiVersion: "apps/v1" }, 400, /does not match the expected API version/],
  [{ kind: "Deployment" }, 400, /does not match the expected kind/],
  [{ metadata: { name: "other" } }, 400, /does not match the name on the URL/],
];
for (const [body, status, message] of refusals) {
  test(`a Scale is refused: ${JSON.stringify(body)}`, async () => {
    const answer = await api.send("PUT", `${apps}/deployments/patched/scale`, { body });
    assert.equal(answer.status, status, answer.text);
    assert.match(answer.body["message"], message);
  });
}

const definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const definition = (scale: object) => ({
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: "rings.test.tsilium.io" },
  spec: {
    group: "test.tsilium.io",
    scope: "Namespaced",
    names: { plural: "rings", kind: "Ring" },
    versions: [
      {
        name: "v1",
        served: true,
        storage: true,
        subresources: { status: {}, scale },
        schema: {
          openAPIV3Schema: {
            type: "object",
            properties: {
              spec: { type: "object", properties: { size: { type: "integer", maximum: 7 } } },
              status: {
                type: "object",
                properties: { size: { type: "integer" }, selector: { type: "string" } },
              },
            },
          },
        },
      },
    ],
  },
});
const paths = {
  specReplicasPath: ".spec.size",
  statusReplicasPath: ".status.size",
  labelSelectorPath: ".status.selector",
};

test("a custom kind is scaled where its definition says", async () => {
  const bad = await api.send("POST", definitions, {
    body: definition({ ...paths, specReplicasPath: ".status.size" }),
  });
  assert.match(
    bad.body["message"],
    /subresources.scale.specReplicasPath.*should be a json path under .spec/,
  );
  await api.create(definitions, definition(paths));
  const rings = "/apis/test.tsilium.io/v1/namespaces/default/rings";
  await api.create(rings, {
    apiVersion: "test.tsilium.io/v1",
    kind: "Ring",
    metadata: { name: "r" },
    spec: {},
  });
  const unset = await api.send("GET", `${rings}/r/scale`);
  assert.equal(unset.status, 500);
  assert.match(unset.body["message"], /the spec replicas field ".spec.size" does not exist/);
  const put = await api.send("PUT", `${rings}/r/scale`, { body: { spec: { replicas: 3 } } });
  assert.equal(put.status, 200, put.text);
  await api.send("PATCH", `${rings}/r/status`, {
    contentType: "application/merge-patch+json",
    body: { status: { size: 2, selector: "ring=r" } },
  });
  const { body } = await api.send("GET", `${rings}/r/scale`);
  assert.deepEqual(
    [body["spec"], body["status"]],
    [{ replicas: 3 }, { replicas: 2, selector: "ring=r" }],
  );
  const tooMany = await api.send("PUT", `${rings}/r/scale`, { body: { spec: { replicas: 8 } } });
  assert.equal(tooMany.status, 422, "the kind's own schema is held to");
});

test("discovery tells what a scale is made of", async () => {
  const { body } = await api.send("GET", "/apis/apps/v1");
  const scale = body["resources"].find(
    (resource: Body) => resource["name"] === "deployments/scale",
  );
  assert.deepEqual(
    [scale.group, scale.version, scale.kind, scale.verbs],
    ["autoscaling", "v1", "Scale", ["get", "patch", "update"]],
  );
});
