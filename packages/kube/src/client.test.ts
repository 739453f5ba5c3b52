// The client against the real API server.
import { strict as assert } from "node:assert";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { ApiServer, createPki, type Pki } from "@tsilium/apiserver";
import { warningTexts } from "./transport.ts";
import { KubeClient } from "./client.ts";
import { KubeError } from "./errors.ts";
import { resources } from "./resources.ts";
import type { ConfigMap } from "./types/core.ts";

// Not a timeout: it would run from the load of this file, long before its tests when many share a process.
const { signal } = new AbortController();
const folder = mkdtempSync(join(tmpdir(), "tsilium-kube-"));
let pki: Pki;
let server: ApiServer;
let client: KubeClient;

before(async () => {
  pki = await createPki(join(folder, "pki"));
  server = await ApiServer.start({
    dataDir: folder,
    pki,
    listeners: [{ address: "127.0.0.1", port: 0 }],
    tokens: [{ token: "t", name: "admin", groups: ["system:masters"] }],
  });
  client = new KubeClient({ server: server.origin, ca: pki.ca, token: "t" });
});
after(async () => {
  client[Symbol.dispose]();
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

const configMap = (name: string, data: Record<string, string> = {}): ConfigMap => ({
  metadata: { name, namespace: "default" },
  data,
});
const inDefault = { namespace: "default", signal };

/** The fields of a kubeconfig that the tests bend. */
type Config = {
  "current-context": string;
  contexts: { name: string; context: { cluster: string; user: string } }[];
  cluster: { server?: string; "certificate-authority": string };
  user: Record<string, unknown>;
};

async function kubeconfig(change: (config: Config) => void = () => undefined): Promise<string> {
  const { cert, key } = await pki.client("file", ["system:masters"]);
  const base64 = (text: string) => Buffer.from(text).toString("base64");
  const config: Config = {
    "current-context": "a",
    contexts: [{ name: "a", context: { cluster: "c", user: "u" } }],
    cluster: { server: server.origin, "certificate-authority": "pki/ca.crt" },
    user: { "client-certificate-data": base64(cert), "client-key-data": base64(key) },
  };
  change(config);
  const { cluster, user, ...rest } = config;
  const clusters = [{ name: "c", cluster }];
  const path = join(folder, "kubeconfig");
  writeFileSync(path, JSON.stringify({ ...rest, clusters, users: [{ name: "u", user }] }));
  return path;
}

test("a kubeconfig leads to the server, its files found beside it", async () => {
  using fromFile = KubeClient.fromKubeconfig(await kubeconfig());
  const namespace = await fromFile.get(resources.namespaces, "default", { signal });
  assert.equal(namespace.status?.phase, "Active");
});

const badConfigs: readonly (readonly [string, (config: Config) => void, RegExp])[] = [
  ["no such context", (config) => (config["current-context"] = "b"), /no context "b"/],
  ["no server", (config) => delete config.cluster.server, /has no server/],
  ["an exec plugin", (config) => (config.user["exec"] = {}), /not supported/],
  [
    "an authority that is not there",
    (config) => (config.cluster["certificate-authority"] = "x"),
    /ENOENT/,
  ],
];
for (const [sentence, change, message] of badConfigs) {
  test(`a kubeconfig is refused for ${sentence}`, async () => {
    const path = await kubeconfig(change);
    assert.throws(
      () => KubeClient.fromKubeconfig(path),
      (error) =>
        error instanceof KubeError && error.code === "BadKubeconfig" && message.test(error.message),
    );
  });
}

test("an object is created, read, replaced, patched and deleted", async () => {
  const made = await client.create(resources.configMaps, configMap("life", { a: "1" }), { signal });
  assert.deepEqual(await client.get(resources.configMaps, "life", inDefault), made);
  const replaced = await client.replace(
    resources.configMaps,
    { ...made, data: { a: "2" } },
    { signal },
  );
  assert.equal(replaced.data?.["a"], "2");
  const merged = await client.patch(resources.configMaps, "life", {
    ...inDefault,
    type: "merge",
    patch: { data: { b: "3" } },
  });
  assert.deepEqual(merged.data, { a: "2", b: "3" });
  const patched = await client.patch(resources.configMaps, "life", {
    ...inDefault,
    type: "json",
    patch: [{ op: "remove", path: "/data/a" }],
  });
  assert.deepEqual(patched.data, { b: "3" });
  assert.equal(await client.delete(resources.configMaps, "life", inDefault), true);
  assert.equal(await client.delete(resources.configMaps, "life", inDefault), false);
});

test("refusals carry status, reason, details and what was asked", async () => {
  await client.create(resources.configMaps, configMap("once"), { signal });
  const again = client.create(resources.configMaps, configMap("once"), { signal });
  await assert.rejects(again, (error) => KubeError.isAlreadyExists(error));
  await assert.rejects(client.get(resources.pods, "none", inDefault), (error) => {
    assert.ok(error instanceof KubeError);
    assert.equal(error.status, 404);
    assert.equal(error.code, "NotFound");
    assert.equal(error.details?.name, "none");
    assert.match(
      error.message,
      /GET \/api\/v1\/namespaces\/default\/pods\/none: pods "none" not found/,
    );
    return true;
  });
});

test("the status is written apart", async () => {
  await client.create(
    resources.pods,
    {
      metadata: { name: "p", namespace: "default" },
      spec: { containers: [{ name: "c", image: "x" }] },
    },
    { signal },
  );
  const pod = await client.patchStatus(resources.pods, "p", {
    ...inDefault,
    status: { phase: "Running" },
  });
  assert.equal(pod.status?.phase, "Running");
  const next = await client.updateStatus(
    resources.pods,
    { ...pod, status: { phase: "Failed" } },
    { signal },
  );
  assert.equal(next.status?.phase, "Failed");
});

test("a server that is not there is a ConnectionFailed", async () => {
  using nowhere = new KubeClient({ server: "https://127.0.0.1:1" });
  await assert.rejects(
    nowhere.get(resources.pods, "a", inDefault),
    (error) =>
      error instanceof KubeError && error.code === "ConnectionFailed" && error.status === 0,
  );
});

test("a server of another authority is not believed", async () => {
  const foreign = await createPki(join(folder, "foreign"));
  using fooled = new KubeClient({ server: server.origin, ca: foreign.ca, token: "t" });
  await assert.rejects(
    fooled.get(resources.pods, "a", inDefault),
    (error) => error instanceof KubeError && error.code === "ConnectionFailed",
  );
});

test("an aborted call rejects with the signal's reason", async () => {
  const reason = new Error("enough");
  const call = client.list(resources.pods, { signal: AbortSignal.abort(reason) });
  await assert.rejects(call, (error) => error === reason);
});

test("a hundred calls at once are all answered", async () => {
  const calls = Array.from({ length: 100 }, (_, index) =>
    client.create(resources.configMaps, configMap(`many-${index}`), { signal }),
  );
  const made = await Promise.all(calls);
  assert.equal(new Set(made.map((object) => object.metadata.resourceVersion)).size, 100);
});

test("warnings in answers are handed on, whatever is in them", () => {
  assert.deepEqual(
    warningTexts('299 - "spec.ingress[0]: \\"web\\" is odd", 299 - "second \u001b[31m"'),
    ['spec.ingress[0]: "web" is odd', "second  [31m"],
  );
  assert.deepEqual(warningTexts("nonsense"), []);
});

test("a program is the manager of what it writes by its own name", async () => {
  const options = { server: server.origin, ca: pki.ca, token: "t", userAgent: "tsilium-agent" };
  using named = new KubeClient(options);
  const made = await named.create(resources.configMaps, configMap("managed"), { signal });
  const { managedFields } = made.metadata as { managedFields?: readonly { manager: string }[] };
  assert.deepEqual(
    managedFields?.map(({ manager }) => manager),
    ["tsilium-agent"],
  );
});
