// Who may come in, and who may do what.
import { strict as assert } from "node:assert";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { createPki } from "./auth/pki.ts";
import { ApiServer } from "./server.ts";
import { configMaps, pods, TestServer } from "./testing/server.ts";

let api: TestServer;
before(async () => {
  api = await TestServer.start();
});
after(async () => {
  await api[Symbol.asyncDispose]();
  assert.deepEqual(api.faults, []);
});

test("a client certificate is its user and groups", async () => {
  const tls = await api.pki.client("root", ["system:masters"]);
  assert.equal((await api.send("GET", configMaps, { tls })).status, 200);
  const plain = await api.pki.client("jane", ["developers"]);
  const refusal = await api.send("GET", configMaps, { tls: plain });
  assert.equal(refusal.status, 403);
  assert.equal(
    refusal.body["message"],
    'configmaps is forbidden: User "jane" cannot list resource "configmaps" in API group "" in the namespace "default"',
  );
});

test("a certificate of another authority is refused, even for what is public", async () => {
  const folder = mkdtempSync(join(tmpdir(), "tsilium-foreign-"));
  const foreign = await createPki(folder);
  const tls = await foreign.client("root", ["system:masters"]);
  rmSync(folder, { recursive: true });
  assert.equal((await api.send("GET", configMaps, { tls })).status, 401);
  assert.equal((await api.send("GET", "/healthz", { tls })).status, 401);
});

test("without credentials only health is told", async () => {
  const rows: readonly [string, number][] = [
    ["/healthz", 200],
    ["/readyz", 200],
    ["/version", 401],
    ["/api", 401],
    [configMaps, 401],
  ];
  for (const [path, status] of rows)
    assert.equal((await api.send("GET", path, { tls: {} })).status, status, path);
});

test("a wrong token is refused", async () => {
  for (const token of ["wrong", "admin-token2", ""]) {
    const headers = { Authorization: `Bearer ${token}` };
    assert.equal((await api.send("GET", configMaps, { headers, tls: {} })).status, 401);
  }
  assert.equal((await api.send("GET", "/version", { token: "nobody-token" })).status, 200);
  assert.equal((await api.send("GET", configMaps, { token: "nobody-token" })).status, 403);
});

/** token, method, path, allowed */
const permissions: readonly (readonly [string, string, string, boolean])[] = [
  ["agent-token", "GET", "/api/v1/pods", true],
  ["agent-token", "GET", "/api/v1/pods?watch=true&timeoutSeconds=1", true],
  ["agent-token", "GET", "/api/v1/secrets", false],
  ["agent-token", "GET", "/api/v1/namespaces/default/secrets/x", false],
  ["agent-token", "GET", "/api/v1/namespaces/cilium-secrets/secrets/x", true],
  [
    "agent-token",
    "GET",
    "/api/v1/namespaces/cilium-secrets/secrets?fieldSelector=metadata.name%3Dx",
    true,
  ],
  ["agent-token", "DELETE", "/api/v1/namespaces/cilium-secrets/secrets/x", false],
  ["agent-token", "GET", `${configMaps}/x`, false],
  ["agent-token", "DELETE", `${pods}/x`, false],
  ["agent-token", "POST", pods, false],
  ["agent-token", "DELETE", "/api/v1/nodes/x", false],
  ["operator-token", "GET", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", true],
  ["operator-token", "DELETE", `${pods}/x`, false],
  [
    "operator-token",
    "GET",
    "/api/v1/namespaces/shop/secrets?fieldSelector=metadata.name%3Dx",
    true,
  ],
  ["operator-token", "GET", "/api/v1/namespaces/shop/secrets/x", false],
  ["operator-token", "POST", "/api/v1/namespaces/shop/secrets", false],
  ["operator-token", "DELETE", "/api/v1/namespaces/shop/secrets/x", false],
  ["operator-token", "DELETE", "/api/v1/namespaces/cilium-secrets/secrets/x", true],
  ["operator-token", "DELETE", "/api/v1/namespaces/x", false],
  ["node-token", "GET", "/api/v1/pods", true],
  ["node-token", "GET", "/api/v1/secrets", false],
  ["node-token", "DELETE", "/api/v1/namespaces/x", false],
  ["node-token", "GET", "/apis/apps/v1/deployments", false],
];

for (const [token, method, path, allowed] of permissions) {
  test(`${token.replace("-token", "")} ${allowed ? "may" : "must not"} ${method} ${path}`, async () => {
    const { status, text } = await api.send(method, path, { token });
    if (allowed) assert.notEqual(status, 403, text);
    else assert.equal(status, 403, text);
  });
}

test("an address that is not loopback is never listened on", async () => {
  for (const address of ["0.0.0.0", "::", "192.0.2.1", "localhost", "::ffff:127.0.0.1"]) {
    const start = ApiServer.start({
      dataDir: "/nonexistent",
      pki: api.pki,
      listeners: [{ address, port: 0 }],
    });
    await assert.rejects(start, /loopback only/, address);
  }
});

test("keys and the store are readable by their owner alone", () => {
  for (const file of ["pki/ca.key", "pki/server.key", "store.db"]) {
    assert.equal(statSync(join(api.folder, file)).mode & 0o077, 0, file);
  }
});

test("an authority is kept over restarts, a server's certificate until it needs another name", async () => {
  const folder = join(api.folder, "pki");
  const again = await createPki(folder);
  assert.equal(again.ca, api.pki.ca);
  assert.equal(again.server.cert, api.pki.server.cert);
  const renamed = await createPki(folder, { sans: ["api.example.com"] });
  assert.equal(renamed.ca, api.pki.ca);
  assert.notEqual(renamed.server.cert, api.pki.server.cert);
});
