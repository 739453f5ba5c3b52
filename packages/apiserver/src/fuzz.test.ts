// Garbage of many kinds: every answer is a Status, the server stays, and what was stored is untouched.
import { strict as assert } from "node:assert";
import { once } from "node:events";
import { connect } from "node:tls";
import { after, before, test } from "node:test";
import { configMap, configMaps, pod, pods, TestServer, type Body } from "./testing/server.ts";

let api: TestServer;
let untouched: Body;
before(async () => {
  api = await TestServer.start();
  untouched = await api.create(configMaps, configMap("untouched"));
});
after(async () => {
  const { body } = await api.send("GET", `${configMaps}/untouched`);
  await api[Symbol.asyncDispose]();
  assert.deepEqual(body, untouched);
  assert.deepEqual(api.faults, []);
});

/** mulberry32: small, seeded, good enough to draw garbage with. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const seed = Number(process.env["FUZZ_SEED"] ?? Date.now() % 1_000_000);
/** FUZZ_ROUNDS asks for more than `npm run check` has time for. */
const rounds = Number(process.env["FUZZ_ROUNDS"] ?? 100);
const random = randomFrom(seed);
const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;

const oddities: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1e308,
  2 ** 53,
  "",
  " ",
  "\0",
  "\u2028",
  "💥",
  "../..",
  "a".repeat(1000),
  [],
  {},
  [[]],
  [null],
  { a: { b: null } },
  "constructor",
  "toString",
  { toString: 1 },
  { length: 9 },
  { constructor: { prototype: {} } },
];

/** A copy with one value, anywhere, replaced by an oddity or removed. */
function mutate(value: unknown): unknown {
  if (Array.isArray(value) && value.length > 0 && random() < 0.8) {
    const index = Math.floor(random() * value.length);
    return value.map((item, at) => (at === index ? mutate(item) : item));
  }
  if (
    typeof value === "object" &&
    value !== null &&
    Object.keys(value).length > 0 &&
    random() < 0.85
  ) {
    const key = pick(Object.keys(value));
    const rest = { ...(value as Record<string, unknown>) };
    if (random() < 0.1) delete rest[key];
    else rest[key] = mutate(rest[key]);
    if (random() < 0.1)
      rest[String(pick(["constructor", "hasOwnProperty", "x/y", "", "💥"]))] = pick(oddities);
    return rest;
  }
  return pick(oddities);
}

const seeds: readonly (readonly [string, unknown])[] = [
  [
    pods,
    pod("fuzzed", {
      metadata: {
        labels: { a: "b" },
        ownerReferences: [{ apiVersion: "v1", kind: "A", name: "b", uid: "c" }],
      },
      spec: { nodeSelector: { a: "b" } },
    }),
  ],
  [configMaps, configMap("fuzzed", { finalizers: ["a/b"], annotations: { a: "b" } })],
  [
    "/api/v1/namespaces/default/services",
    {
      metadata: { name: "fuzzed" },
      spec: {
        type: "NodePort",
        ipFamilies: ["IPv4"],
        ports: [{ name: "a", port: 80, targetPort: "x" }],
        clusterIPs: [""],
      },
    },
  ],
  [
    "/apis/apps/v1/namespaces/default/deployments",
    {
      metadata: { name: "fuzzed" },
      spec: {
        replicas: 1,
        strategy: { rollingUpdate: { maxSurge: 1 } },
        selector: {
          matchLabels: { a: "b" },
          matchExpressions: [{ key: "a", operator: "In", values: ["b"] }],
        },
        template: {
          metadata: { labels: { a: "b" } },
          spec: { containers: [{ name: "c", image: "x", ports: [{ containerPort: 1 }] }] },
        },
      },
    },
  ],
  [
    "/api/v1/nodes",
    {
      metadata: { name: "fuzzed" },
      spec: { taints: [{ key: "a", effect: "NoSchedule" }] },
      status: {
        conditions: [{ type: "Ready", status: "True" }],
        addresses: [{ type: "InternalIP", address: "1.2.3.4" }],
      },
    },
  ],
  [
    "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices",
    {
      metadata: { name: "fuzzed" },
      addressType: "IPv4",
      endpoints: [{ addresses: ["1.2.3.4"], conditions: { ready: true } }],
      ports: [{ port: 1 }],
    },
  ],
  [
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    {
      metadata: { name: "fs.fuzz.io" },
      spec: {
        group: "fuzz.io",
        scope: "Cluster",
        names: { plural: "fs", kind: "F" },
        versions: [
          {
            name: "v1",
            served: true,
            storage: true,
            additionalPrinterColumns: [{ name: "A", type: "date", jsonPath: ".a" }],
            schema: {
              openAPIV3Schema: {
                type: "object",
                properties: { a: { type: "array", items: { type: "string", pattern: "a" } } },
              },
            },
          },
        ],
      },
    },
  ],
  [
    "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies",
    {
      metadata: { name: "fuzzed" },
      spec: {
        podSelector: { matchExpressions: [{ key: "a", operator: "In", values: ["b"] }] },
        ingress: [
          {
            ports: [{ port: 80, endPort: 90, protocol: "TCP" }],
            from: [{ namespaceSelector: {} }, { ipBlock: { cidr: "::/0", except: ["fd00::/8"] } }],
          },
        ],
        policyTypes: ["Ingress"],
      },
    },
  ],
  [
    "/api/v1/namespaces/default/secrets",
    { metadata: { name: "fuzzed" }, data: { a: "YQ==" }, stringData: { b: "c" } },
  ],
  [
    "/api/v1/namespaces/default/events",
    {
      metadata: { name: "fuzzed" },
      involvedObject: { kind: "Pod", name: "p" },
      lastTimestamp: "2026-01-01T00:00:00Z",
    },
  ],
];

test(`mutated objects are taken or refused, never a fault of ours (seed ${seed})`, async () => {
  for (let round = 0; round < rounds; round++) {
    const [path, object] = pick(seeds);
    const body = random() < 0.3 ? mutate(mutate(object)) : mutate(object);
    const answer = await api.send("POST", path, { body });
    assert.notEqual(answer.status, 500, `${path} ${JSON.stringify(body)}`);
    assert.ok(answer.body, answer.text);
    const table = { Accept: "application/json;as=Table;g=meta.k8s.io;v=v1" };
    assert.equal(
      (await api.send("GET", path, { headers: table })).status,
      200,
      JSON.stringify(body),
    );
    const name = answer.status === 201 ? answer.body["metadata"].name : undefined;
    if (name) {
      const patch = await api.send("PATCH", `${path}/${encodeURIComponent(name)}`, {
        contentType: pick([
          "application/merge-patch+json",
          "application/json-patch+json",
          "application/strategic-merge-patch+json",
        ]),
        body: pick([
          mutate(object),
          [
            {
              op: pick(["add", "remove", "move", "x"]),
              path: pick(["", "/metadata", "/spec/ports/0", "/-", "x"]),
              from: "/spec",
              value: pick(oddities),
            },
          ],
        ]),
      });
      assert.notEqual(patch.status, 500, patch.text);
      const apply = await api.send("PATCH", `${path}/${encodeURIComponent(name)}?fieldManager=f`, {
        contentType: "application/apply-patch+yaml",
        body: random() < 0.5 ? object : mutate(object),
      });
      // Of fields that a kind does not have Kubernetes speaks with this status.
      if (!String(apply.body["message"]).startsWith("failed to create typed patch object"))
        assert.notEqual(apply.status, 500, apply.text);
      const managedFields = mutate(
        (await api.send("GET", `${path}/${name}`)).body["metadata"]?.managedFields ?? [],
      );
      const owners = await api.send("PATCH", `${path}/${encodeURIComponent(name)}`, {
        contentType: "application/merge-patch+json",
        body: { metadata: { managedFields } },
      });
      assert.notEqual(owners.status, 500, owners.text);
      const status = await api.send("PUT", `${path}/${encodeURIComponent(name)}/status`, {
        body: mutate(object),
      });
      assert.notEqual(status.status, 500, status.text);
      const deletion = await api.send("DELETE", `${path}/${encodeURIComponent(name)}`, {
        body: {
          gracePeriodSeconds: 0,
          ...(random() < 0.3 ? { preconditions: pick(oddities) } : {}),
        },
      });
      assert.notEqual(deletion.status, 500, deletion.text);
    }
  }
});

test("odd paths and queries are answered", async () => {
  const parts = [
    "api",
    "apis",
    "v1",
    "namespaces",
    "default",
    "pods",
    "..",
    "%00",
    "%2e%2e",
    "%ff",
    "a".repeat(300),
    "status",
    "",
    "constructor",
    "__proto__",
    "apps",
  ];
  const queries = [
    "",
    "?watch",
    "?limit=1e9",
    "?labelSelector=((((",
    "?fieldSelector=a=b=c",
    "?continue=%00",
    "?resourceVersion=-1",
    "?timeoutSeconds=0&limit=x",
    "?dryRun=1",
    "?a&&&==",
  ];
  for (let round = 0; round < rounds; round++) {
    const path = `/${Array.from({ length: 1 + Math.floor(random() * 7) }, () => pick(parts)).join("/")}${pick(queries.filter((query) => query !== "?watch"))}`;
    const answer = await api.send(
      pick(["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]),
      path,
      { raw: "{}" },
    );
    assert.ok(answer.status < 500 || answer.status === 504, `${path}: ${answer.status}`);
  }
});

test("bytes that are no HTTP end their connection and nothing else", async () => {
  for (let round = 0; round < rounds / 5; round++) {
    const { promise, resolve } = Promise.withResolvers<void>();
    const socket = connect({ host: "127.0.0.1", port: api.server.port, ca: api.pki.ca }, () => {
      const bytes = Buffer.from(
        Array.from({ length: 1 + Math.floor(random() * 2000) }, () => Math.floor(random() * 256)),
      );
      socket.write(
        random() < 0.5
          ? bytes
          : Buffer.concat([Buffer.from("POST /api/v1/pods HTTP/1.1\r\nHost: x\r\n"), bytes]),
      );
      setTimeout(() => socket.destroy(), 20);
    });
    socket.on("error", () => undefined);
    socket.on("close", () => resolve());
    await promise;
  }
  assert.equal((await api.send("GET", "/healthz")).status, 200);
});

test("a body that never comes is given up, and so is one that lies about its length", async () => {
  const socket = connect({ host: "127.0.0.1", port: api.server.port, ca: api.pki.ca });
  socket.on("error", () => undefined);
  socket.resume();
  socket.write(
    `POST ${configMaps} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer admin-token\r\nContent-Length: 1000\r\n\r\n{`,
  );
  const closed = once(socket, "close");
  await once(socket, "secureConnect");
  socket.end();
  await closed;
  assert.equal((await api.send("GET", "/healthz")).status, 200);
});
