// What clients read before they write: OpenAPI in both versions, discovery in both forms, and field validation.
import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { generate } from "./schema/api-types/generate.ts";
import { configMaps, pod, pods, TestServer, type Body } from "./testing/server.ts";

let api: TestServer;
before(async () => {
  api = await TestServer.start();
  await api.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", {
    metadata: { name: "gadgets.docs.tsilium.io" },
    spec: {
      group: "docs.tsilium.io",
      scope: "Namespaced",
      names: { plural: "gadgets", kind: "Gadget", shortNames: ["gg"], categories: ["all"] },
      versions: [
        {
          name: "v1",
          served: true,
          storage: true,
          subresources: { status: {} },
          schema: {
            openAPIV3Schema: {
              type: "object",
              description: "A thing to explain.",
              properties: {
                spec: {
                  type: "object",
                  properties: {
                    size: { type: "integer", description: "How large it is." },
                    port: { "x-kubernetes-int-or-string": true },
                    free: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
                  },
                },
              },
            },
          },
        },
      ],
    },
  });
});
after(async () => {
  await api[Symbol.asyncDispose]();
  assert.deepEqual(api.faults, []);
});

const gadgets = "/apis/docs.tsilium.io/v1/namespaces/default/gadgets";

test("the table of Kubernetes' types is what its client's models say", async () => {
  // The file on disk is formatted: blanks and line ends are not compared.
  const plain = (text: string) => text.replaceAll(/[\s"]+/g, "").replaceAll(/,(?=[}\])])/g, "");
  const committed = readFileSync(
    join(import.meta.dirname, "schema/api-types/types.gen.ts"),
    "utf8",
  );
  assert.equal(plain(committed), plain(await generate()));
});

test("the index of version 3 leads to a document for each group and version", async () => {
  const { body } = await api.send("GET", "/openapi/v3");
  const paths = body["paths"] as Record<string, { serverRelativeURL: string }>;
  for (const path of ["api/v1", "apis/apps/v1", "apis/docs.tsilium.io/v1"])
    assert.match(
      paths[path]?.serverRelativeURL ?? "",
      new RegExp(`^/openapi/v3/${path}\\?hash=[0-9A-F]+$`),
    );
  assert.equal((await api.send("GET", "/openapi/v3/apis/none/v1")).status, 404);
});

/** Every reference in a document, and what it does not find. */
function danglingReferences(document: unknown): string[] {
  const dangling = new Set<string>();
  const visit = (value: unknown): void => {
    if (typeof value !== "object" || value === null) return;
    for (const [name, part] of Object.entries(value)) {
      if (name === "$ref" && typeof part === "string") {
        const found = part
          .slice(2)
          .split("/")
          .reduce<unknown>((at, key) => (at as Body)?.[key], document);
        if (found === undefined) dangling.add(part);
      } else visit(part);
    }
  };
  visit(document);
  return [...dangling];
}

test("no document refers to what it does not hold", async () => {
  const { body: index } = await api.send("GET", "/openapi/v3");
  for (const { serverRelativeURL } of Object.values(
    index["paths"] as Record<string, { serverRelativeURL: string }>,
  )) {
    const { body } = await api.send("GET", serverRelativeURL);
    assert.deepEqual(danglingReferences(body), [], serverRelativeURL);
  }
  assert.deepEqual(danglingReferences((await api.send("GET", "/openapi/v2")).body), []);
});

test("a kind's definition says its group, version and kind, and what its fields are", async () => {
  const { body } = await api.send("GET", "/openapi/v3/apis/apps/v1");
  const { schemas } = body["components"];
  const deployment = schemas["io.k8s.api.apps.v1.Deployment"];
  assert.deepEqual(deployment["x-kubernetes-group-version-kind"], [
    { group: "apps", kind: "Deployment", version: "v1" },
  ]);
  assert.deepEqual(deployment.properties.spec.allOf, [
    { $ref: "#/components/schemas/io.k8s.api.apps.v1.DeploymentSpec" },
  ]);
  const { ports } = schemas["io.k8s.api.core.v1.Container"].properties;
  assert.deepEqual(ports["x-kubernetes-list-map-keys"], ["containerPort", "protocol"]);
  assert.equal(ports["x-kubernetes-patch-merge-key"], "containerPort");
  const patch = body["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"].patch;
  assert.ok(
    patch.parameters.some(
      (one: Body) => one["name"] === "fieldValidation" && one["in"] === "query",
    ),
  );
});

test("a custom kind is explained by its own schema", async () => {
  const name = "io.tsilium.docs.v1.Gadget";
  const three = (await api.send("GET", "/openapi/v3/apis/docs.tsilium.io/v1")).body["components"]
    .schemas[name];
  assert.equal(three.description, "A thing to explain.");
  assert.equal(three.properties.spec.properties.size.description, "How large it is.");
  const two = (await api.send("GET", "/openapi/v2")).body["definitions"][name];
  assert.deepEqual(
    two.properties.metadata.$ref,
    "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta",
  );
});

test("a document that a client has is not sent again", async () => {
  const { headers } = await api.send("GET", "/openapi/v2");
  const etag = headers["etag"] as string;
  const again = await api.send("GET", "/openapi/v2", { headers: { "If-None-Match": etag } });
  assert.equal(again.status, 304);
  assert.equal(again.text, "");
});

test("version 2 is there in protobuf for those who read nothing else", async () => {
  const Accept = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
  const { status, headers, text } = await api.send("GET", "/openapi/v2", { headers: { Accept } });
  assert.equal(status, 200);
  assert.match(headers["content-type"] as string, /protobuf$/);
  assert.ok(
    text.includes("io.k8s.api.core.v1.PodSpec") && text.includes("x-kubernetes-group-version-kind"),
  );
  assert.equal(
    (await api.send("GET", "/openapi/v2", { headers: { Accept: "text/html" } })).status,
    406,
  );
});

for (const version of ["v2", "v2beta1"]) {
  test(`discovery tells everything at once in ${version}`, async () => {
    const type = `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`;
    const { body, headers } = await api.send("GET", "/apis", {
      headers: { Accept: `${type},application/json` },
    });
    assert.equal(headers["content-type"], type);
    assert.equal(body["apiVersion"], `apidiscovery.k8s.io/${version}`);
    const docs = body["items"].find((item: Body) => item["metadata"].name === "docs.tsilium.io");
    assert.deepEqual(docs.versions[0].resources, [
      {
        resource: "gadgets",
        responseKind: { group: "docs.tsilium.io", version: "v1", kind: "Gadget" },
        scope: "Namespaced",
        singularResource: "gadget",
        verbs: ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
        shortNames: ["gg"],
        categories: ["all"],
        subresources: [
          {
            subresource: "status",
            responseKind: { group: "docs.tsilium.io", version: "v1", kind: "Gadget" },
            verbs: ["get", "patch", "update"],
          },
        ],
      },
    ]);
    const core = await api.send("GET", "/api", { headers: { Accept: type } });
    assert.deepEqual(core.body["items"][0].versions[0].version, "v1");
  });
}

/** sentence, path, object, unknown fields */
const strict: readonly (readonly [string, string, object, readonly string[]])[] = [
  [
    "a built-in kind's",
    pods,
    { ...pod("s"), spec: { containers: [{ name: "c", image: "x", prots: [] }], nodName: "n" } },
    ["spec.containers[0].prots", "spec.nodName"],
  ],
  ["metadata's", configMaps, { metadata: { name: "s", label: {} } }, ["metadata.label"]],
  [
    "a custom kind's",
    gadgets,
    { metadata: { name: "s" }, spec: { sise: 1, free: { any: 1 }, port: "x" }, more: 1 },
    ["more", "spec.sise"],
  ],
];

for (const [sentence, path, object, unknown] of strict) {
  test(`${sentence} unknown fields are refused, told or dropped, as is asked`, async () => {
    const send = (mode: string) =>
      api.send("POST", `${path}?dryRun=All${mode && `&fieldValidation=${mode}`}`, { body: object });
    const refusal = await send("Strict");
    assert.equal(refusal.status, 400);
    const [, told = ""] = (refusal.body["message"] as string).split("strict decoding error: ");
    assert.deepEqual(
      told.split(", ").toSorted(),
      unknown.map((field) => `unknown field "${field}"`).toSorted(),
    );
    const warned = await send("");
    assert.equal(warned.status, 201, warned.text);
    for (const field of unknown)
      assert.ok(String(warned.headers["warning"]).includes(`unknown field \\"${field}\\"`));
    const ignored = await send("Ignore");
    assert.equal(ignored.headers["warning"], undefined);
    assert.doesNotMatch(ignored.text, /prots|nodName|"label"|sise|"more"/);
  });
}

test("a patch that brings in an unknown field is refused where that is asked", async () => {
  await api.create(configMaps, { metadata: { name: "patched" } });
  const { status, body } = await api.send("PATCH", `${configMaps}/patched?fieldValidation=Strict`, {
    contentType: "application/merge-patch+json",
    body: { dta: {} },
  });
  assert.equal(status, 422);
  assert.match(body["message"], /strict decoding error: unknown field "dta"$/);
});

test("what cannot be decoded is told as Kubernetes tells it", async () => {
  const { status, body } = await api.send("POST", pods, {
    body: {
      ...pod("s"),
      spec: { containers: [{ name: "c", image: "x", ports: [{ containerPort: "80" }] }] },
    },
  });
  assert.equal(status, 400);
  assert.equal(
    body["message"],
    'Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal string into Go struct field ContainerPort.spec.containers.ports.containerPort of type int32',
  );
});

test("rights are asked for by whoever wants to know, and about others only by those who may", async () => {
  const reviews = "/apis/authorization.k8s.io/v1";
  const ask = (resource: string, spec: object, token: string) =>
    api.send("POST", `${reviews}/${resource}`, { body: { spec }, token });
  const attributes = { verb: "list", resource: "pods" };
  const self = { resourceAttributes: attributes };
  assert.equal(
    (await ask("selfsubjectaccessreviews", self, "nobody-token")).body["status"].allowed,
    false,
  );
  assert.equal(
    (await ask("selfsubjectaccessreviews", self, "agent-token")).body["status"].allowed,
    true,
  );
  const other = { ...self, user: "x", groups: ["tsilium:agents"] };
  assert.equal(
    (await ask("subjectaccessreviews", other, "admin-token")).body["status"].allowed,
    true,
  );
  assert.equal((await ask("subjectaccessreviews", other, "nobody-token")).status, 403);
  const { body } = await ask("selfsubjectrulesreviews", { namespace: "default" }, "agent-token");
  assert.ok(
    body["status"].resourceRules.some((rule: Body) => rule["resources"].includes("ciliumnodes")),
  );
  const who = await api.send("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {
    body: {},
    token: "nobody-token",
  });
  assert.equal(who.body["status"].userInfo.username, "nobody");
  assert.equal((await api.send("GET", `${reviews}/selfsubjectaccessreviews`)).status, 405);
});

test("an event is seen in both groups, by each group's names", async () => {
  const core = "/api/v1/namespaces/default/events";
  const newer = "/apis/events.k8s.io/v1/namespaces/default/events";
  const event = {
    metadata: { name: "seen" },
    eventTime: "2026-11-26T16:00:00.000000Z",
    reportingController: "a.b/c",
    reportingInstance: "c-1",
    action: "Start",
    reason: "Started",
    type: "Normal",
    note: "it runs",
    regarding: { kind: "Pod", name: "p", namespace: "default" },
  };
  const made = await api.create(newer, event);
  assert.equal(made["apiVersion"], "events.k8s.io/v1");
  assert.equal(made["note"], "it runs");
  const { body } = await api.send("GET", `${core}/seen`);
  assert.deepEqual(
    [
      body["apiVersion"],
      body["message"],
      body["reportingComponent"],
      body["involvedObject"].name,
      body["note"],
    ],
    ["v1", "it runs", "a.b/c", "p", undefined],
  );
  const patched = await api.send("PATCH", `${newer}/seen`, {
    contentType: "application/merge-patch+json",
    body: { note: "it still runs" },
  });
  assert.equal(patched.body["note"], "it still runs");
  assert.equal((await api.send("GET", `${core}/seen`)).body["message"], "it still runs");
  const list = await api.send("GET", newer);
  assert.deepEqual(
    [list.body["apiVersion"], list.body["items"][0].regarding.name],
    ["events.k8s.io/v1", "p"],
  );
  const watched = await api.send("GET", `${newer}?watch=true&resourceVersion=0&timeoutSeconds=1`);
  assert.match(watched.text, /"ADDED","object":\{[^\n]*"note":"it still runs"/);
  const { status, body: refusal } = await api.send("POST", newer, {
    body: { metadata: { name: "bad" } },
  });
  assert.equal(status, 422);
  assert.equal(refusal["details"].causes[0].field, "eventTime");
  await api.send("DELETE", `${newer}/seen`);
  assert.equal((await api.send("GET", `${core}/seen`)).status, 404);
});

/** type, keys that make one, keys that do not, field that is told */
const secretTypes: readonly (readonly [string, readonly string[], readonly string[], string])[] = [
  ["kubernetes.io/tls", ["tls.crt", "tls.key"], ["tls.crt"], "data[tls.key]"],
  ["kubernetes.io/ssh-auth", ["ssh-privatekey"], [], "data[ssh-privatekey]"],
  ["kubernetes.io/basic-auth", ["password"], ["other"], "data[username]"],
  ["kubernetes.io/dockerconfigjson", [], [".dockerconfigjson"], "data[.dockerconfigjson]"],
];

for (const [type, good, bad, path] of secretTypes) {
  test(`a secret of type ${type} has what the type asks for`, async () => {
    const send = (keys: readonly string[]) =>
      api.send("POST", "/api/v1/namespaces/default/secrets?dryRun=All", {
        body: {
          metadata: { name: "s" },
          type,
          stringData: Object.fromEntries(keys.map((key) => [key, "hidden{"])),
        },
      });
    if (good.length > 0) assert.equal((await send(good)).status, 201);
    const { status, body, text } = await send(bad);
    assert.equal(status, 422);
    assert.equal(body["details"].causes[0].field, path);
    assert.doesNotMatch(text, /hidden|aGlkZGVu/);
  });
}

test("what a secret holds is told in no refusal", async () => {
  const secrets = "/api/v1/namespaces/default/secrets";
  const data = { a: "hidden!" };
  const made = await api.send("POST", secrets, { body: { metadata: { name: "s" }, data } });
  assert.equal(made.status, 400);
  assert.match(made.body["message"], /illegal base64 data at input byte 6$/);
  await api.create(secrets, { metadata: { name: "s" } });
  for (const body of [{ data }, { dta: data }]) {
    const { status, text } = await api.send("PATCH", `${secrets}/s?fieldValidation=Strict`, {
      contentType: "application/merge-patch+json",
      body,
    });
    assert.equal(status, 422);
    assert.doesNotMatch(text, /hidden/);
  }
});
