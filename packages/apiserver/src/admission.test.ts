// Who else is asked before an object is stored: what they refuse is not, in whatever way it comes.
import { strict as assert } from "node:assert";
import { after, before, test } from "node:test";
import type { Admission } from "./kinds/kind.ts";
import { isRecord } from "./objects/json.ts";
import { TestServer, type Body } from "./testing/server.ts";

/** Refuses any field "wrong", wherever it is, and what no schema lets pass; warns of "odd". */
const admission: Admission = (object) => {
  const causes = findAll(object, "wrong").map((field) => ({
    reason: "FieldValueForbidden" as const,
    message: "is wrong",
    field,
  }));
  return { causes, warnings: findAll(object, "odd").map((path) => `${path}: is "odd" ☹\n`) };
};

function findAll(value: unknown, name: string, path = ""): string[] {
  if (!isRecord(value)) return [];
  return Object.entries(value).flatMap(([key, child]) => {
    const at = path === "" ? key : `${path}.${key}`;
    return key === name ? [at] : findAll(child, name, at);
  });
}

const admissions = { "/ConfigMap": admission, "test.tsilium.io/Gadget": admission };

let api: TestServer;
before(async () => {
  api = await TestServer.start({ admissions });
  await api.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", {
    metadata: { name: "gadgets.test.tsilium.io" },
    spec: {
      group: "test.tsilium.io",
      scope: "Namespaced",
      names: { plural: "gadgets", kind: "Gadget" },
      versions: [
        {
          name: "v1",
          served: true,
          storage: true,
          subresources: { status: {} },
          schema: {
            openAPIV3Schema: {
              type: "object",
              properties: {
                spec: {
                  type: "object",
                  properties: { size: { type: "integer" }, wrong: { type: "integer" } },
                },
                status: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
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

const gadgets = "/apis/test.tsilium.io/v1/namespaces/default/gadgets";
const configMaps = "/api/v1/namespaces/default/configmaps";
const merge = "application/merge-patch+json";

/** Creates a good one; answers its path and its state. */
async function good(name: string) {
  await api.create(gadgets, { metadata: { name }, spec: { size: 1 } });
  const path = `${gadgets}/${name}`;
  return { path, state: async () => (await api.send("GET", path)).text };
}

test("a new object that is refused is not there", async () => {
  const { status, body } = await api.send("POST", gadgets, {
    body: { metadata: { name: "bad" }, spec: { size: 1, wrong: 1 } },
  });
  assert.equal(status, 422);
  assert.equal(body["reason"], "Invalid");
  assert.equal(body["message"], 'Gadget.test.tsilium.io "bad" is invalid: spec.wrong: is wrong');
  assert.equal((await api.send("GET", `${gadgets}/bad`)).status, 404);
});

const json = "application/json-patch+json";
/** sentence, method, body, content type */
const changes: readonly (readonly [string, string, unknown, string])[] = [
  ["PUT", "PUT", { metadata: {}, spec: { wrong: 1 } }, "application/json"],
  ["merge patch", "PATCH", { spec: { wrong: 1 } }, merge],
  ["JSON patch", "PATCH", [{ op: "add", path: "/spec/wrong", value: 1 }], json],
];

for (const [sentence, method, body, contentType] of changes) {
  for (const dryRun of ["", "?dryRun=All"]) {
    test(`a ${sentence}${dryRun} that is refused leaves what was stored`, async () => {
      const { path, state } = await good(
        `kept-${sentence.replace(" ", "-").toLowerCase()}${dryRun.length}`,
      );
      const before = await state();
      const metadata = {
        resourceVersion: (JSON.parse(before) as Body)["metadata"].resourceVersion,
      };
      const sent = method === "PUT" ? { ...(body as object), metadata } : body;
      const answer = await api.send(method, `${path}${dryRun}`, { body: sent, contentType });
      assert.equal(answer.status, 422, answer.text);
      assert.equal(answer.body["details"].causes[0].field, "spec.wrong");
      assert.equal(await state(), before);
    });
  }
}

test("a dry run of a creation is judged too, and a good one stores nothing", async () => {
  const send = (spec: object) =>
    api.send("POST", `${gadgets}?dryRun=All`, { body: { metadata: { name: "dry" }, spec } });
  assert.equal((await send({ wrong: 1 })).status, 422);
  assert.equal((await send({ size: 1 })).status, 201);
  assert.equal((await api.send("GET", `${gadgets}/dry`)).status, 404);
});

test("fields that pruning would drop are seen", async () => {
  const { status, body } = await api.send("POST", gadgets, {
    body: { metadata: { name: "typo" }, spec: { nested: { wrong: 1 } }, wrong: 1 },
  });
  assert.equal(status, 422);
  assert.deepEqual(
    body["details"].causes.map((cause: { field: string }) => cause.field),
    ["spec.nested.wrong", "wrong"],
  );
});

test("of a field that several judges refuse, one is heard", async () => {
  const { body } = await api.send("POST", gadgets, {
    body: { metadata: { name: "twice" }, spec: { wrong: "text", size: "text" } },
  });
  assert.deepEqual(
    body["details"].causes.map((cause: { field: string }) => cause.field),
    ["spec.wrong", "spec.size"],
  );
});

test("built-in kinds are judged as custom ones are", async () => {
  const { status } = await api.send("POST", configMaps, {
    body: { metadata: { name: "bad" }, data: { wrong: "x" } },
  });
  assert.equal(status, 422);
});

test("warnings come in the answer's head, and the object is stored", async () => {
  const { status, headers } = await api.send("POST", configMaps, {
    body: { metadata: { name: "odd" }, data: { odd: "x" } },
  });
  assert.equal(status, 201);
  assert.equal(headers["warning"], '299 - "data.odd: is \\"odd\\" ??"');
});

test("a status is not judged", async () => {
  const { path } = await good("with-status");
  const { status } = await api.send("PATCH", `${path}/status`, {
    contentType: merge,
    body: { status: { wrong: 1 } },
  });
  assert.equal(status, 200);
});

test("an object from before there was a judge can be labelled and deleted, but not be changed and stay wrong", async () => {
  await api.restart({});
  const path = `${gadgets}/old`;
  await api.create(gadgets, {
    metadata: { name: "old", finalizers: ["a/b"] },
    spec: { size: 1, wrong: 1 },
  });
  await api.restart({ admissions });
  const patch = async (body: object) =>
    (await api.send("PATCH", path, { contentType: merge, body })).status;
  assert.equal(await patch({ metadata: { labels: { a: "b" } } }), 200);
  assert.equal(await patch({ metadata: { annotations: { a: "b" } } }), 422);
  assert.equal(await patch({ spec: { size: 2 } }), 422);
  assert.equal(await patch({ spec: { size: 2, wrong: null } }), 200);
  assert.equal((await api.send("DELETE", path)).status, 200);
  assert.equal(await patch({ metadata: { finalizers: [] } }), 200);
  assert.equal((await api.send("GET", path)).status, 404);
});
