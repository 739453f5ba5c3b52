// What is refused, and that the refusal names each field: one row per fault.
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

const services = "/api/v1/namespaces/default/services";
const deployments = "/apis/apps/v1/namespaces/default/deployments";

const service = (spec: object) => ({ metadata: { name: "s" }, spec });
const deployment = (spec: object) => ({
  metadata: { name: "d" },
  spec: {
    selector: { matchLabels: { a: "b" } },
    template: {
      metadata: { labels: { a: "b" } },
      spec: { containers: [{ name: "c", image: "x" }] },
    },
    ...spec,
  },
});
const withPorts = (...ports: object[]) =>
  pod("p", { spec: { containers: [{ name: "c", image: "x", ports }] } });

/** sentence, path, body, fields of the causes */
const invalid: readonly (readonly [string, string, unknown, string])[] = [
  ["no name", configMaps, { metadata: {} }, "metadata.name"],
  ["a name in capitals", configMaps, configMap("Upper"), "metadata.name"],
  ["a name with a slash", configMaps, configMap("a/b"), "metadata.name"],
  ["a name of 254 characters", configMaps, configMap("a".repeat(254)), "metadata.name"],
  [
    "a service whose name starts with a digit",
    services,
    { ...service({ ports: [{ port: 1 }] }), metadata: { name: "1s" } },
    "metadata.name",
  ],
  ["a namespace with a dot", "/api/v1/namespaces", { metadata: { name: "a.b" } }, "metadata.name"],
  ["a bad label key", configMaps, configMap("a", { labels: { "a b": "c" } }), "metadata.labels"],
  ["a bad label value", configMaps, configMap("a", { labels: { a: "-" } }), "metadata.labels"],
  [
    "a label value of 64 characters",
    configMaps,
    configMap("a", { labels: { a: "x".repeat(64) } }),
    "metadata.labels",
  ],
  [
    "annotations beyond 256 KiB",
    configMaps,
    configMap("a", { annotations: { a: "x".repeat(300_000) } }),
    "metadata.annotations",
  ],
  [
    "two controllers",
    configMaps,
    configMap("a", {
      ownerReferences: [1, 2].map((n) => ({
        apiVersion: "v1",
        kind: "Pod",
        name: `p${n}`,
        uid: `u${n}`,
        controller: true,
      })),
    }),
    "metadata.ownerReferences",
  ],
  ["a pod without a spec", pods, { metadata: { name: "p" } }, "spec"],
  [
    "a pod without containers",
    pods,
    { metadata: { name: "p" }, spec: { containers: [] } },
    "spec.containers",
  ],
  [
    "a container without an image",
    pods,
    { metadata: { name: "p" }, spec: { containers: [{ name: "c" }] } },
    "spec.containers[0].image",
  ],
  [
    "two containers of one name",
    pods,
    {
      metadata: { name: "p" },
      spec: { containers: [1, 2].map(() => ({ name: "c", image: "x" })) },
    },
    "spec.containers[1].name",
  ],
  ["port 0", pods, withPorts({ containerPort: 0 }), "spec.containers[0].ports[0].containerPort"],
  [
    "port 65536",
    pods,
    withPorts({ containerPort: 65536 }),
    "spec.containers[0].ports[0].containerPort",
  ],
  [
    "an unknown protocol",
    pods,
    withPorts({ containerPort: 80, protocol: "QUIC" }),
    "spec.containers[0].ports[0].protocol",
  ],
  [
    "an unknown restart policy",
    pods,
    pod("p", { spec: { restartPolicy: "Sometimes" } }),
    "spec.restartPolicy",
  ],
  [
    "two faults at once",
    pods,
    pod("p", { spec: { restartPolicy: "x", dnsPolicy: "y" } }),
    "spec.restartPolicy,spec.dnsPolicy",
  ],
  ["a service without ports", services, service({}), "spec.ports"],
  [
    "two ports without names",
    services,
    service({ ports: [{ port: 1 }, { port: 2 }] }),
    "spec.ports[0].name,spec.ports[1].name",
  ],
  [
    "one port twice",
    services,
    service({
      ports: [
        { name: "a", port: 1 },
        { name: "b", port: 1 },
      ],
    }),
    "spec.ports[1]",
  ],
  [
    "a cluster IP outside of the range",
    services,
    service({ clusterIP: "10.1.2.3", ports: [{ port: 1 }] }),
    "spec.clusterIPs[0]",
  ],
  [
    "a cluster IP that is none",
    services,
    service({ clusterIP: "10.96.0.256", ports: [{ port: 1 }] }),
    "spec.clusterIPs[0]",
  ],
  [
    "a node port on a ClusterIP service",
    services,
    service({ ports: [{ port: 1, nodePort: 30001 }] }),
    "spec.ports[0].nodePort",
  ],
  [
    "a node port outside of the range",
    services,
    service({ type: "NodePort", ports: [{ port: 1, nodePort: 80 }] }),
    "spec.ports[0].nodePort",
  ],
  [
    "a deployment without a selector",
    deployments,
    deployment({ selector: undefined }),
    "spec.selector",
  ],
  [
    "a selector that does not match the template",
    deployments,
    deployment({ selector: { matchLabels: { a: "c" } } }),
    "spec.template.metadata.labels",
  ],
  ["negative replicas", deployments, deployment({ replicas: -1 }), "spec.replicas"],
  [
    "a lease duration of 0",
    "/apis/coordination.k8s.io/v1/namespaces/default/leases",
    { metadata: { name: "l" }, spec: { leaseDurationSeconds: 0 } },
    "spec.leaseDurationSeconds",
  ],
  [
    "a slice of no family",
    "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices",
    { metadata: { name: "e" } },
    "addressType",
  ],
];

for (const [sentence, path, body, fields] of invalid) {
  test(`invalid: ${sentence}`, async () => {
    const answer = await api.send("POST", path, { body });
    assert.equal(answer.status, 422, answer.text);
    assert.equal(answer.body["reason"], "Invalid");
    const causes = answer.body["details"].causes as { field: string }[];
    assert.equal(causes.map((cause) => cause.field).join(), fields);
  });
}

test("the message reads as Kubernetes words it", async () => {
  const { body } = await api.send("POST", pods, {
    body: pod("p", { spec: { restartPolicy: "Sometimes" } }),
  });
  assert.equal(
    body["message"],
    'Pod "p" is invalid: spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"',
  );
});

const malformed: readonly (readonly [
  string,
  Parameters<TestServer["send"]>[2] & object,
  number,
])[] = [
  ["no body", {}, 400],
  ["broken JSON", { raw: '{"metadata":' }, 400],
  ["a list", { raw: "[]" }, 400],
  ["a name that is a number", { body: { metadata: { name: 7 } } }, 400],
  ["labels that are a list", { body: { metadata: { name: "a", labels: ["x"] } } }, 400],
  ["finalizers that are text", { body: { metadata: { name: "a", finalizers: "x" } } }, 400],
  ["__proto__", { raw: '{"metadata":{"name":"a"},"data":{"__proto__":{"a":"b"}}}' }, 400],
  [
    "101 levels",
    { raw: `{"metadata":{"name":"a"},"x":${"[".repeat(101)}${"]".repeat(101)}}` },
    400,
  ],
  ["protobuf", { raw: "k8s\0", contentType: "application/vnd.kubernetes.protobuf" }, 415],
  ["a form", { raw: "a=b", contentType: "application/x-www-form-urlencoded" }, 415],
  ["more than 3 MiB", { raw: JSON.stringify({ x: "x".repeat(3 * 1024 * 1024) }) }, 413],
];

for (const [sentence, call, status] of malformed) {
  test(`malformed: ${sentence}`, async () => {
    const answer = await api.send("POST", configMaps, call);
    assert.equal(answer.status, status, answer.text);
    assert.equal(answer.body["kind"], "Status");
  });
}

test("YAML is taken as JSON is", async () => {
  const raw = "metadata:\n  name: from-yaml\ndata:\n  a: b\n";
  const answer = await api.send("POST", configMaps, { raw, contentType: "application/yaml" });
  assert.equal(answer.status, 201);
  assert.deepEqual(answer.body["data"], { a: "b" });
});

const unserved: readonly (readonly [string, string, number])[] = [
  ["GET", "/apis/networking.k8s.io/v1/ingresses", 404],
  ["GET", "/api/v2/pods", 404],
  ["GET", "/api/v1/namespaces/default/pods/a/nothing", 404],
  ["GET", "/api/v1/namespaces/default/pods/a/status/more", 404],
  ["GET", "/api/v1/pods/a", 404],
  ["GET", "/nothing", 404],
  ["GET", "/api/v1/namespaces/%zz/pods", 400],
  ["POST", "/api/v1/pods", 405],
  ["POST", "/api/v1/namespaces/default/pods/a", 405],
  ["PUT", "/api/v1/namespaces/default/pods", 405],
  ["DELETE", "/api/v1/namespaces", 405],
  ["DELETE", "/api", 405],
  ["GET", "/api/v1/pods?limit=-1", 400],
  ["GET", "/api/v1/pods?resourceVersion=abc", 400],
];

for (const [method, path, status] of unserved) {
  test(`not served: ${method} ${path}`, async () => {
    const answer = await api.send(method, path);
    assert.equal(answer.status, status, answer.text);
    assert.equal(answer.body["kind"], "Status");
  });
}

test("a pod's spec does not change but for its images", async () => {
  const made = await api.create(pods, pod("fixed"));
  const change = (containers: object[]) =>
    api.send("PUT", `${pods}/fixed`, { body: { ...made, spec: { ...made["spec"], containers } } });
  const [container] = made["spec"].containers;
  assert.equal((await change([{ ...container, image: "y" }])).status, 200);
  const { status, body } = await change([{ ...container, image: "y", command: ["z"] }]);
  assert.equal(status, 409, "the resource version is the old one");
  assert.equal(body["reason"], "Conflict");
  delete made["metadata"].resourceVersion;
  assert.equal((await change([{ ...container, command: ["z"] }])).status, 422);
});
