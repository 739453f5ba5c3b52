// The account of requests that an audit log keeps.
import { strict as assert } from "node:assert";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import type { AuditEvent } from "./audit/event.ts";
import { AuditLog } from "./audit/log.ts";
import { configMap, configMaps, TestServer } from "./testing/server.ts";

let api: TestServer;
const events: AuditEvent[] = [];
before(async () => {
  api = await TestServer.start({ audit: (event) => events.push(event) });
});
beforeEach(() => {
  events.length = 0;
});
after(async () => {
  await api[Symbol.asyncDispose]();
  assert.deepEqual(api.faults, []);
});

const microTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/;

/** The events, without what differs from run to run. */
function told(): object[] {
  return events.map(({ auditID, requestReceivedTimestamp, stageTimestamp, ...rest }) => {
    assert.match(auditID, /^[0-9a-f-]{36}$/);
    assert.match(requestReceivedTimestamp, microTime);
    assert.match(stageTimestamp, microTime);
    assert.ok(requestReceivedTimestamp <= stageTimestamp);
    return rest;
  });
}

const allowed = {
  annotations: { "authorization.k8s.io/decision": "allow", "authorization.k8s.io/reason": "" },
};
const common = {
  kind: "Event",
  apiVersion: "audit.k8s.io/v1",
  level: "Metadata",
  stage: "ResponseComplete",
  user: { username: "admin", groups: ["system:masters", "system:authenticated"] },
  sourceIPs: ["127.0.0.1"],
};

test("a request is told whole: who, from where, what, what came of it", async () => {
  await api.send("POST", `${configMaps}?fieldManager=me`, {
    body: configMap("told"),
    headers: { "User-Agent": "test/1" },
  });
  assert.deepEqual(told(), [
    {
      ...common,
      requestURI: `${configMaps}?fieldManager=me`,
      verb: "create",
      userAgent: "test/1",
      objectRef: { resource: "configmaps", namespace: "default", name: "told", apiVersion: "v1" },
      responseStatus: { metadata: {}, code: 201 },
      ...allowed,
    },
  ]);
});

test("the request's id is in the answer's head; a client may choose it", async () => {
  const own = await api.send("GET", "/version", { headers: { "Audit-ID": "mine-1" } });
  assert.equal(own.headers["audit-id"], "mine-1");
  const made = await api.send("GET", "/version", { headers: { "Audit-ID": "not one" } });
  assert.match(String(made.headers["audit-id"]), /^[0-9a-f-]{36}$/);
  assert.equal(events[0]?.auditID, "mine-1");
  assert.deepEqual([events[0]?.verb, events[0]?.objectRef], ["get", undefined]);
});

/** method, path, token, what the event says */
const refusals: readonly (readonly [string, string, string, object])[] = [
  [
    "GET",
    `${configMaps}/none`,
    "admin-token",
    {
      verb: "get",
      responseStatus: {
        metadata: {},
        status: "Failure",
        message: 'configmaps "none" not found',
        reason: "NotFound",
        code: 404,
      },
    },
  ],
  [
    "DELETE",
    "/apis/apps/v1/namespaces/default/deployments/d",
    "nobody-token",
    {
      verb: "delete",
      objectRef: {
        resource: "deployments",
        namespace: "default",
        name: "d",
        apiGroup: "apps",
        apiVersion: "v1",
      },
      annotations: { "authorization.k8s.io/decision": "forbid", "authorization.k8s.io/reason": "" },
    },
  ],
  [
    "GET",
    "/api/v1/pods",
    "wrong",
    {
      user: {},
      responseStatus: {
        metadata: {},
        status: "Failure",
        message: "Unauthorized",
        reason: "Unauthorized",
        code: 401,
      },
    },
  ],
];
for (const [method, path, token, expected] of refusals) {
  test(`what is refused is told: ${method} ${path} by ${token}`, async () => {
    await api.send(method, path, { token });
    assert.equal(events.length, 1);
    assert.deepEqual({ ...told()[0], ...expected }, told()[0]);
  });
}

test("a watch is told when it begins and when it is over", async () => {
  await api.send("GET", `${configMaps}?watch=1&timeoutSeconds=1&resourceVersion=0`);
  while (events.length < 2) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(
    events.map(({ stage, verb, responseStatus }) => [stage, verb, responseStatus.code]),
    [
      ["ResponseStarted", "watch", 200],
      ["ResponseComplete", "watch", 200],
    ],
  );
  assert.equal(events[0]?.auditID, events[1]?.auditID);
});

test("nothing that a Secret holds is told, neither what is stored nor what is refused", async () => {
  const secrets = "/api/v1/namespaces/default/secrets";
  const canary = "canary-value";
  const encoded = Buffer.from(canary).toString("base64");
  const secret = (data: object) => ({ metadata: { name: "s" }, data });
  const contentType = "application/merge-patch+json";
  await api.send("POST", secrets, { body: secret({ a: encoded }) });
  await api.send("PATCH", `${secrets}/s`, { contentType, body: { stringData: { b: canary } } });
  for (const bad of [{ [`${canary}/x`]: encoded }, { a: `${canary} is not base64!` }]) {
    const refused = await api.send("PUT", `${secrets}/s`, { body: secret(bad) });
    assert.ok(refused.status === 422 || refused.status === 400, refused.text);
  }
  await api.send("POST", secrets, { raw: `{"data": ${canary}` });
  assert.equal(events.length, 5);
  const text = JSON.stringify(events);
  assert.ok(!text.includes(canary) && !text.includes(encoded), text);
});

test("the log's file is its owner's alone, one event per line, and of bounded size", () => {
  const folder = mkdtempSync(join(tmpdir(), "tsilium-audit-"));
  const path = join(folder, "audit.log");
  const faults: unknown[] = [];
  const onFault = (error: unknown) => faults.push(error);
  try {
    const event = (auditID: string) => ({ ...common, auditID }) as unknown as AuditEvent;
    for (let number = 0; number < 6; number++) {
      using log = new AuditLog({ path, maxBytes: 500, maxBackups: 2, onFault });
      log.write(event(`first-${number}`));
      log.write(event(`second-${number}`));
    }
    assert.equal(statSync(path).mode & 0o777, 0o600);
    const ids = [`${path}.2`, `${path}.1`, path].flatMap((file) =>
      readFileSync(file, "utf8")
        .trimEnd()
        .split("\n")
        .map((line) => (JSON.parse(line) as AuditEvent).auditID),
    );
    assert.deepEqual(ids.slice(-2), ["first-5", "second-5"]);
    assert.equal(existsSync(`${path}.3`), false);
    assert.ok(statSync(path).size <= 600);
    assert.deepEqual(faults, []);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
