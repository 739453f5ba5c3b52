// Secrets of rule sets, read from the real API server.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { loadAll } from "js-yaml";
import { ApiServer, createPki } from "@tsilium/apiserver";
import { KubeClient, resources, type Secret } from "@tsilium/kube";
import type { HttpRuleSet } from "@tsilium/policy/model.ts";
import { createLog } from "@tsilium/runtime";
import { PolicySecrets, type SecretsOptions } from "./secrets.ts";

const canary = "c4n4ry-never-to-be-seen";
const folder = mkdtempSync(join(tmpdir(), "tsilium-secrets-"));
const { signal } = new AbortController();
let server: ApiServer;
let admin: KubeClient;
let agent: KubeClient;

before(async () => {
  const pki = await createPki(join(folder, "pki"));
  server = await ApiServer.start({
    dataDir: folder,
    pki,
    listeners: [{ address: "127.0.0.1", port: 0 }],
    tokens: [
      { token: "admin", name: "admin", groups: ["system:masters"] },
      { token: "agent", name: "agent", groups: ["tsilium:agents"] },
    ],
  });
  admin = new KubeClient({ server: server.origin, ca: pki.ca, token: "admin" });
  agent = new KubeClient({ server: server.origin, ca: pki.ca, token: "agent" });
  for (const name of ["cilium-secrets", "shop"])
    await admin.create(resources.namespaces, { metadata: { name } }, { signal });
});
after(async () => {
  admin[Symbol.dispose]();
  agent[Symbol.dispose]();
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

const log = createLog({ level: "silent" });
function open(rest: Partial<SecretsOptions> = {}) {
  const secrets = new PolicySecrets({
    client: agent,
    namespace: "cilium-secrets",
    onlyFromNamespace: true,
    log,
    ...rest,
  });
  const changes: string[] = [];
  secrets.onChange((namespace, name) => changes.push(`${namespace}/${name}`));
  return Object.assign(secrets, { changes });
}

/** A rule set that takes a header's value from each. */
const naming = (...keys: string[]): HttpRuleSet => ({
  kind: "http",
  direction: "egress",
  audit: false,
  denyRule: 1,
  tls: { terminating: undefined, originating: undefined },
  serverNames: undefined,
  rules: keys.map((key, index) => ({
    rule: index + 2,
    match: {
      path: undefined,
      method: undefined,
      host: undefined,
      headers: [
        {
          name: "x",
          value: undefined,
          mismatch: "deny" as const,
          secret: {
            namespace: key.split("/")[0] ?? "",
            name: key.split("/")[1] ?? "",
            key: undefined,
          },
        },
      ],
    },
  })),
});
const wanted = (port: number, ...keys: string[]) => ({
  port,
  version: 1,
  ruleSet: naming(...keys),
});

async function put(namespace: string, name: string, value: string, by = admin): Promise<void> {
  const secret: Secret = { metadata: { namespace, name }, stringData: { value } };
  try {
    await by.create(resources.secrets, secret, { signal });
  } catch {
    await by.patch(resources.secrets, name, {
      namespace,
      signal,
      type: "merge",
      patch: { stringData: { value } },
    });
  }
}
const remove = (namespace: string, name: string) =>
  admin.delete(resources.secrets, name, { namespace, signal });

async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 3_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`not in time: ${what}`);
    await sleep(5);
  }
}

const text = (secrets: PolicySecrets, namespace: string, name: string) =>
  Buffer.from(secrets.get(namespace, name)?.value ?? "", "base64").toString();

test("a named secret is read, followed, and forgotten when nobody names it", async () => {
  await put("cilium-secrets", "token", "one");
  await using secrets = open();
  secrets.want({
    whole: true,
    listeners: [wanted(1, "cilium-secrets/token"), wanted(2, "cilium-secrets/token")],
    removed: [],
  });
  assert.equal(secrets.reason("cilium-secrets", "token"), "is not known yet");
  await until("it is read", () => text(secrets, "cilium-secrets", "token") === "one");
  assert.equal(secrets.reason("cilium-secrets", "token"), undefined);
  await put("cilium-secrets", "token", "two");
  await until("it is followed", () => text(secrets, "cilium-secrets", "token") === "two");
  await remove("cilium-secrets", "token");
  await until("it is gone", () => secrets.get("cilium-secrets", "token") === undefined);
  assert.equal(secrets.reason("cilium-secrets", "token"), "is not there");
  await put("cilium-secrets", "token", "three");
  await until("it is back", () => text(secrets, "cilium-secrets", "token") === "three");
  assert(
    secrets.changes.length >= 4 && secrets.changes.every((key) => key === "cilium-secrets/token"),
  );

  secrets.want({ whole: false, listeners: [], removed: [1] });
  assert.equal(text(secrets, "cilium-secrets", "token"), "three", "another rule set names it");
  secrets.want({ whole: false, listeners: [wanted(2, "cilium-secrets/other")], removed: [] });
  assert.equal(secrets.get("cilium-secrets", "token"), undefined);
});

test("a secret that nobody names is not read", async () => {
  await put("cilium-secrets", "unnamed", canary);
  await put("cilium-secrets", "named", "x");
  await using secrets = open();
  secrets.want({ whole: true, listeners: [wanted(1, "cilium-secrets/named")], removed: [] });
  await until("the named one", () => text(secrets, "cilium-secrets", "named") === "x");
  assert.equal(secrets.get("cilium-secrets", "unnamed"), undefined);
});

test("a secret of another namespace stands for its copy, or, where that is allowed, for itself", async () => {
  await put("shop", "token", canary);
  await using strict = open();
  strict.want({ whole: true, listeners: [wanted(1, "shop/token")], removed: [] });
  await until("it is known", () => strict.reason("shop", "token") !== "is not known yet");
  assert.equal(
    strict.reason("shop", "token"),
    "is not there (what is read is its copy cilium-secrets/shop-token)",
  );
  await put("cilium-secrets", "shop-token", "copy");
  await until("the copy is read", () => text(strict, "shop", "token") === "copy");
  assert.deepEqual([...new Set(strict.changes)], ["shop/token"]);

  await using open_ = open({ onlyFromNamespace: false, client: admin });
  open_.want({ whole: true, listeners: [wanted(1, "shop/token")], removed: [] });
  await until("it is read", () => text(open_, "shop", "token") === canary);
});

test("a copy that its labels say is another Secret's is not taken for this one's", async () => {
  const owning = (namespace: string, name: string) => ({
    "secretsync.cilium.io/owning-secret-namespace": namespace,
    "secretsync.cilium.io/owning-secret-name": name,
  });
  await admin.create(
    resources.secrets,
    {
      metadata: { namespace: "cilium-secrets", name: "a-b-c", labels: owning("a-b", "c") },
      stringData: { value: canary },
    },
    { signal },
  );
  await using secrets = open();
  secrets.want({ whole: true, listeners: [wanted(1, "a-b/c", "a/b-c")], removed: [] });
  await until("the owner's", () => text(secrets, "a-b", "c") === canary);
  const reason = "has no copy: cilium-secrets/a-b-c is the copy of a-b/c";
  await until("the refusal", () => secrets.reason("a", "b-c") === reason);
  assert.equal(secrets.get("a", "b-c"), undefined);
  await admin.patch(resources.secrets, "a-b-c", {
    namespace: "cilium-secrets",
    type: "merge",
    patch: { metadata: { labels: owning("a", "b-c") } },
    signal,
  });
  await until("it changes hands", () => text(secrets, "a", "b-c") === canary);
  assert.equal(secrets.get("a-b", "c"), undefined);
});

test("an agent that may not read a secret says so, and nothing of what is in any", async () => {
  await put("shop", "token", canary);
  const lines: unknown[] = [];
  const recording = {
    ...log,
    warn: (...words: unknown[]) => lines.push(words),
  } as unknown as typeof log;
  // Beyond its role.
  await using secrets = open({ onlyFromNamespace: false, log: recording });
  secrets.want({ whole: true, listeners: [wanted(1, "shop/token")], removed: [] });
  await until("the refusal", () =>
    /cannot be read: .*forbidden/i.test(secrets.reason("shop", "token") ?? ""),
  );
  await until("the log", () => lines.length === 1);
  assert(!JSON.stringify([lines, secrets.reason("shop", "token")]).includes(canary));
});

test("a server that is gone leaves what was read in force", async () => {
  const other = mkdtempSync(join(tmpdir(), "tsilium-secrets-"));
  const pki = await createPki(join(other, "pki"));
  const tokens = [{ token: "admin", name: "admin", groups: ["system:masters"] }];
  const listeners = [{ address: "127.0.0.1", port: 0 }];
  const goes = await ApiServer.start({ dataDir: other, pki, listeners, tokens });
  using client = new KubeClient({ server: goes.origin, ca: pki.ca, token: "admin" });
  await client.create(resources.namespaces, { metadata: { name: "cilium-secrets" } }, { signal });
  await put("cilium-secrets", "lasting", "kept", client);
  await using secrets = open({ client });
  secrets.want({ whole: true, listeners: [wanted(1, "cilium-secrets/lasting")], removed: [] });
  await until("it is read", () => text(secrets, "cilium-secrets", "lasting") === "kept");
  await goes[Symbol.asyncDispose]();
  rmSync(other, { recursive: true });
  await assert.rejects(client.list(resources.namespaces, { signal }));
  await sleep(300);
  assert.equal(text(secrets, "cilium-secrets", "lasting"), "kept");
});

test("the manifest allows the agent to read Secrets of one namespace, and nothing else", () => {
  const file = join(import.meta.dirname, "../../../../deploy/rbac/policy-secrets.yaml");
  const documents: {
    kind: string;
    metadata: { namespace?: string };
    rules?: unknown;
    subjects?: unknown;
  }[] = [];
  loadAll(readFileSync(file, "utf8"), (document) => documents.push(document as never));
  assert.deepEqual(
    documents.map(({ kind, metadata, rules }) => [kind, metadata.namespace, rules]),
    [
      ["Namespace", undefined, undefined],
      [
        "Role",
        "cilium-secrets",
        [{ apiGroups: [""], resources: ["secrets"], verbs: ["get", "list", "watch"] }],
      ],
      ["RoleBinding", "cilium-secrets", undefined],
    ],
  );
});
