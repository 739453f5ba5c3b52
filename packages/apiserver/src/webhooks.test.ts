// Validating webhooks: who is asked, what they are told, and that nothing is stored that one refuses.
import { strict as assert } from "node:assert";
import { once } from "node:events";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { after, before, beforeEach, test } from "node:test";
import { configMap, configMaps, TestServer, type Body } from "./testing/server.ts";

let api: TestServer;
let server: Server;
/** Requests that the webhook was asked about, and what it says. */
let asked: Body[] = [];
let answer: (request: Body) => object | Promise<object> = () => ({ allowed: true });

before(async () => {
  api = await TestServer.start();
  server = createServer(
    { cert: api.pki.server.cert, key: api.pki.server.key },
    (request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", async () => {
        const review = JSON.parse(Buffer.concat(chunks).toString("utf8")) as Body;
        asked.push({ path: request.url, ...review["request"] });
        const said = await answer(review["request"] as Body);
        if ("silent" in said) return;
        const body = { apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview" };
        const verdict = { uid: review["request"].uid, ...said };
        response.end("raw" in said ? said.raw : JSON.stringify({ ...body, response: verdict }));
      });
    },
  );
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
});
after(async () => {
  server.closeAllConnections();
  server.close();
  await api[Symbol.asyncDispose]();
  assert.deepEqual(api.faults, []);
});
beforeEach(async () => {
  await api.send("DELETE", `${configurations}/test`);
  asked = [];
  answer = () => ({ allowed: true });
});

const configurations = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
const everything = {
  operations: ["*"],
  apiGroups: [""],
  apiVersions: ["v1"],
  resources: ["configmaps"],
};

async function register(
  more: Readonly<Record<string, unknown>> = {},
  rule: object = {},
): Promise<void> {
  const { port } = server.address() as AddressInfo;
  await api.create(
    configurations,
    configuration({
      clientConfig: {
        url: `https://127.0.0.1:${port}/check`,
        caBundle: Buffer.from(api.pki.ca).toString("base64"),
      },
      rules: [{ ...everything, ...rule }],
      ...more,
    }),
  );
}

function configuration(webhook: object): object {
  return {
    metadata: { name: "test" },
    webhooks: [
      {
        name: "check.test.tsilium.io",
        sideEffects: "None",
        admissionReviewVersions: ["v1"],
        ...webhook,
      },
    ],
  };
}

const merge = "application/merge-patch+json";
const patchMap = (name: string, body: object, query = "") =>
  api.send("PATCH", `${configMaps}/${name}${query}`, { contentType: merge, body });

test("a webhook is asked about each change, with what there was and what there will be", async () => {
  await register();
  await api.create(configMaps, configMap("asked"));
  await patchMap("asked", { data: { a: "2" } });
  await api.send("DELETE", `${configMaps}/asked`);
  assert.deepEqual(
    asked.map((request) => [
      request["operation"],
      request["name"],
      request["object"]?.data.a,
      request["oldObject"]?.data.a,
    ]),
    [
      ["CREATE", "asked", "1", undefined],
      ["UPDATE", "asked", "2", "1"],
      ["DELETE", "asked", undefined, "2"],
    ],
  );
  const [first] = asked as [Body];
  assert.equal(first["path"], "/check?timeout=10s");
  assert.deepEqual(first["userInfo"], {
    username: "admin",
    groups: ["system:masters", "system:authenticated"],
  });
  assert.deepEqual(first["resource"], { group: "", version: "v1", resource: "configmaps" });
  assert.equal(first["namespace"], "default");
});

test("what it refuses is not stored, changed or deleted, in whatever way it comes", async () => {
  await api.create(configMaps, configMap("kept"));
  const before = (await api.send("GET", `${configMaps}/kept`)).text;
  await register();
  answer = () => ({ allowed: false, status: { message: "not so", code: 409 } });
  const path = `${configMaps}/kept`;
  const answers = [
    await api.send("POST", configMaps, { body: configMap("new") }),
    await api.send("POST", `${configMaps}?dryRun=All`, { body: configMap("new") }),
    await patchMap("kept", { data: { a: "2" } }),
    await api.send("PUT", path, { body: configMap("kept", { labels: { a: "b" } }) }),
    await api.send("PATCH", `${path}?fieldManager=m&force=true`, {
      contentType: "application/apply-patch+yaml",
      body: { ...configMap("kept"), data: { a: "3" } },
    }),
    await api.send("DELETE", path),
    await api.send("DELETE", configMaps),
  ];
  for (const { status, body } of answers) {
    assert.equal(status, 409);
    assert.equal(
      body["message"],
      'admission webhook "check.test.tsilium.io" denied the request: not so',
    );
  }
  assert.equal((await api.send("GET", path)).text, before);
  assert.equal((await api.send("GET", `${configMaps}/new`)).status, 404);
});

test("a refusal without words is Forbidden", async () => {
  await register();
  answer = () => ({ allowed: false });
  const { status, body } = await api.send("POST", configMaps, { body: configMap("new") });
  assert.equal(status, 403);
  assert.equal(body["reason"], "Forbidden");
  assert.match(body["message"], /denied the request without explanation$/);
});

test("warnings reach whoever writes, once", async () => {
  await register();
  answer = () => ({ allowed: true, warnings: ["are you sure?"] });
  const { headers, status } = await api.send("POST", configMaps, { body: configMap("warned") });
  assert.equal(status, 201);
  assert.equal(headers["warning"], '299 - "are you sure?"');
});

/** sentence, the webhook, how many times it is asked when "selected" is made in default */
const selections: readonly (readonly [string, Record<string, unknown>, object, number])[] = [
  ["all that matches", {}, {}, 1],
  ["no other resource", {}, { resources: ["secrets"] }, 0],
  ["no other operation", {}, { operations: ["UPDATE"] }, 0],
  ["all resources", {}, { apiGroups: ["*"], apiVersions: ["*"], resources: ["*"] }, 1],
  ["no subresource alone", {}, { resources: ["configmaps/status"] }, 0],
  ["no cluster-wide kind alone", {}, { scope: "Cluster" }, 0],
  ["objects with its labels", { objectSelector: { matchLabels: { team: "a" } } }, {}, 1],
  ["no objects with other labels", { objectSelector: { matchLabels: { team: "b" } } }, {}, 0],
  [
    "objects of its namespaces",
    { namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "default" } } },
    {},
    1,
  ],
  [
    "no objects of other namespaces",
    {
      namespaceSelector: {
        matchExpressions: [
          { key: "kubernetes.io/metadata.name", operator: "NotIn", values: ["default"] },
        ],
      },
    },
    {},
    0,
  ],
  [
    "objects of which its condition holds",
    {
      matchConditions: [
        { name: "a", expression: "object.data.a == '1' && request.operation == 'CREATE'" },
      ],
    },
    {},
    1,
  ],
  [
    "no objects of which one condition does not hold",
    {
      matchConditions: [
        { name: "a", expression: "object.zzz == 1" },
        { name: "b", expression: "request.name != 'selected'" },
      ],
    },
    {},
    0,
  ],
];

for (const [sentence, webhook, rule, times] of selections) {
  test(`a webhook is asked about ${sentence}`, async () => {
    await register(webhook, rule);
    const { status, text } = await api.send("POST", `${configMaps}?dryRun=All`, {
      body: configMap("selected", { labels: { team: "a" } }),
    });
    assert.equal(status, 201, text);
    assert.equal(asked.length, times);
  });
}

/** sentence, what comes back, what is told */
const failures: readonly (readonly [
  string,
  (request: Body) => object,
  Record<string, unknown>,
  RegExp,
])[] = [
  ["answers no review", () => ({ raw: "{}" }), {}, /expected webhook response/],
  ["answers no JSON", () => ({ raw: "<" }), {}, /failed to call webhook: Post "https:/],
  ["answers another question", () => ({ uid: "x", allowed: true }), {}, /expected response\.uid=/],
  ["wants to change the object", () => ({ allowed: true, patch: "W10=" }), {}, /may not patch/],
  ["says nothing in time", () => ({ silent: true }), { timeoutSeconds: 1 }, /deadline exceeded/],
  ["is not there", () => ({}), { clientConfig: { url: "https://127.0.0.1:1/" } }, /ECONNREFUSED/],
  [
    "is a service that is not there",
    () => ({}),
    { clientConfig: { service: { name: "x", namespace: "default" } } },
    /service "default\/x" not found/,
  ],
];

for (const [sentence, says, webhook, message] of failures) {
  test(`a webhook that ${sentence} refuses the change, or is passed over if it may fail`, async () => {
    await register(webhook);
    answer = says;
    const create = () =>
      api.send("POST", `${configMaps}?dryRun=All`, { body: configMap("failing") });
    const { status, body } = await create();
    assert.equal(status, 500);
    assert.match(body["message"], /failed calling webhook "check\.test\.tsilium\.io"/);
    assert.match(body["message"], message);
    await api.send("PATCH", `${configurations}/test`, {
      contentType: "application/json-patch+json",
      body: [{ op: "replace", path: "/webhooks/0/failurePolicy", value: "Ignore" }],
    });
    assert.equal((await create()).status, 201);
  });
}

test("a certificate that nobody vouches for is no webhook's", async () => {
  const { port } = server.address() as AddressInfo;
  await register({ clientConfig: { url: `https://127.0.0.1:${port}/` } });
  const { status, body } = await api.send("POST", configMaps, { body: configMap("trust") });
  assert.equal(status, 500);
  assert.match(body["message"], /certificate/);
  assert.deepEqual(asked, []);
});

test("a condition that cannot be evaluated refuses", async () => {
  await register({ matchConditions: [{ name: "odd", expression: "object.spec.x == 1" }] });
  const { status, body } = await api.send("POST", configMaps, { body: configMap("odd") });
  assert.equal(status, 403);
  assert.match(body["message"], /matchConditions failed: odd: /);
});

test("a configuration can always be mended: webhooks are not asked about webhooks", async () => {
  await register({}, { apiGroups: ["*"], apiVersions: ["*"], resources: ["*"] });
  answer = () => ({ allowed: false });
  assert.equal((await api.send("DELETE", `${configurations}/test`)).status, 200);
});

test("an object that moves while it is looked at is looked at again", async () => {
  await api.create(configMaps, configMap("moving"));
  await register({ objectSelector: { matchLabels: { guarded: "yes" } } });
  let moved = false;
  answer = async () => {
    if (!moved) {
      moved = true;
      // Somebody whose change the webhook is not asked about is faster.
      await patchMap("moving", { data: { b: "other" } });
    }
    return { allowed: true };
  };
  const { status, body } = await patchMap("moving", { metadata: { labels: { guarded: "yes" } } });
  assert.equal(status, 200);
  assert.deepEqual(body["data"], { a: "1", b: "other" });
  assert.deepEqual(
    asked.map((request) => request["object"].data.b),
    [undefined, "other"],
  );
});

/** sentence, webhook, field */
const refused: readonly (readonly [string, object, string])[] = [
  ["a short name", { name: "check" }, "webhooks[0].name"],
  ["plain HTTP", { clientConfig: { url: "http://a.b/" } }, "webhooks[0].clientConfig.url"],
  ["neither URL nor service", { clientConfig: {} }, "webhooks[0].clientConfig"],
  ["side effects", { sideEffects: "Some" }, "webhooks[0].sideEffects"],
  [
    "a condition that does not parse",
    { matchConditions: [{ name: "a", expression: "1 +" }] },
    "webhooks[0].matchConditions[0].expression",
  ],
  [
    "a review version that we do not speak",
    { admissionReviewVersions: ["v2"] },
    "webhooks[0].admissionReviewVersions",
  ],
  ["too long a time", { timeoutSeconds: 31 }, "webhooks[0].timeoutSeconds"],
];

for (const [sentence, webhook, path] of refused) {
  test(`a configuration is refused for ${sentence}`, async () => {
    const body = configuration({
      clientConfig: { url: "https://a.b/" },
      rules: [everything],
      ...webhook,
    });
    const { status, body: said, text } = await api.send("POST", configurations, { body });
    assert.equal(status, 422, text);
    assert.equal(said["details"].causes[0].field, path, text);
  });
}
