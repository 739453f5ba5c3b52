// What the server adds to pods, and leaves out of the templates that they are made from.
import { strict as assert } from "node:assert";
import { after, before, test } from "node:test";
import { pods, TestServer } from "./testing/server.ts";

let api: TestServer;
before(async () => {
  api = await TestServer.start();
});
after(async () => {
  await api[Symbol.asyncDispose]();
  assert.deepEqual(api.faults, []);
});

const limits = { cpu: "1", memory: "1Gi" };
const container = { name: "c", image: "i:1", resources: { limits } };
const workload = (name: string, template: object) => ({
  metadata: { name },
  spec: { selector: { matchLabels: { a: "b" } }, template },
});
const template = { metadata: { labels: { a: "b" } }, spec: { containers: [container] } };
const apps = "/apis/apps/v1/namespaces/default";

test("a pod has an account, service links and requests", async () => {
  const { spec } = await api.create(pods, { metadata: { name: "p" }, spec: template.spec });
  const { serviceAccountName, serviceAccount, enableServiceLinks, containers } = spec;
  assert.deepEqual(
    [serviceAccountName, serviceAccount, enableServiceLinks],
    ["default", "default", true],
  );
  assert.deepEqual(containers[0].resources, { limits, requests: limits });
});

for (const plural of ["deployments", "replicasets", "daemonsets", "statefulsets"])
  test(`a template of ${plural} has what was sent, and what is the same for all pods`, async () => {
    const made = await api.create(`${apps}/${plural}`, workload("w", template));
    assert.deepEqual(made["spec"].template, {
      metadata: { labels: { a: "b" } },
      spec: {
        containers: [
          {
            ...container,
            imagePullPolicy: "IfNotPresent",
            terminationMessagePath: "/dev/termination-log",
            terminationMessagePolicy: "File",
          },
        ],
        dnsPolicy: "ClusterFirst",
        restartPolicy: "Always",
        schedulerName: "default-scheduler",
        securityContext: {},
        terminationGracePeriodSeconds: 30,
      },
    });
  });

test("an account is known by both of its names", async () => {
  for (const [name, sent] of [
    ["new", { serviceAccountName: "mine" }],
    ["old", { serviceAccount: "mine" }],
  ] as const) {
    const { spec } = await api.create(pods, {
      metadata: { name },
      spec: { ...template.spec, ...sent },
    });
    assert.deepEqual([spec.serviceAccountName, spec.serviceAccount], ["mine", "mine"]);
  }
});

test("what Go clients send for nothing is not stored, whichever way it comes", async () => {
  const nothing = { creationTimestamp: null, labels: { a: "b" } };
  const sent = workload("nulls", { ...template, metadata: nothing });
  const path = `${apps}/deployments/nulls`;
  const made = await api.create(`${apps}/deployments`, sent);
  assert.deepEqual(made["spec"].template.metadata, { labels: { a: "b" } });
  const replaced = await api.send("PUT", path, { body: sent });
  assert.equal(replaced.body["metadata"].resourceVersion, made["metadata"].resourceVersion);
  for (const [contentType, change] of [
    [
      "application/json-patch+json",
      [{ op: "replace", path: "/spec/template", value: { ...template, metadata: nothing } }],
    ],
    [
      "application/strategic-merge-patch+json",
      { spec: { template: { ...template, metadata: nothing, $patch: "replace" } } },
    ],
    [
      "application/apply-patch+yaml",
      { apiVersion: "apps/v1", kind: "Deployment", ...sent, metadata: { name: "nulls" } },
    ],
  ] as const) {
    const query = contentType.includes("apply") ? "?fieldManager=m&force=true" : "";
    const { status, body } = await api.send("PATCH", `${path}${query}`, {
      contentType,
      body: change,
    });
    assert.equal(status, 200, JSON.stringify(body));
    assert.deepEqual(body["spec"].template.metadata, { labels: { a: "b" } }, contentType);
  }
});
