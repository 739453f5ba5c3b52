// Copies of policies' Secrets, by a whole operator against a real API server.
import assert from "node:assert/strict";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { ApiServer, createPki } from "@tsilium/apiserver";
import { KubeClient, KubeError, reflectTable, resources, type Secret } from "@tsilium/kube";
import { createLog } from "@tsilium/runtime";
import { loadConfig } from "../config/config.ts";
import { definitions, installDefinition } from "../crds/install.ts";
import { startOperator } from "../operator.ts";
import type { PolicyObject } from "../policy-status/condition.ts";
import { type Cluster, expectEventually, withCluster } from "../testing/cluster.ts";
import { PolicySecrets } from "./policy-secrets.ts";

type Api = Pick<Cluster, "client" | "signal">;

const home = "cilium-secrets";
const { secrets, namespaces, ciliumNetworkPolicies, ciliumClusterwideNetworkPolicies } = resources;

async function addNamespaces({ client, signal }: Api, ...names: string[]): Promise<void> {
  for (const name of names) await client.create(namespaces, { metadata: { name } }, { signal });
}

const port = { port: "443", protocol: "TCP" };
const egress = (...toPorts: object[]) => ({ endpointSelector: {}, egress: [{ toPorts }] });
/** A header's value is the Secret's. */
const tagging = (...refs: object[]) =>
  egress({
    ports: [port],
    rules: { http: refs.map((secret) => ({ headerMatches: [{ name: "x", secret }] })) },
  });

async function addPolicy({ client, signal }: Api, key: string, spec: object): Promise<void> {
  const [namespace = "", name = ""] = key.split("/");
  const resource = namespace === "" ? ciliumClusterwideNetworkPolicies : ciliumNetworkPolicies;
  const metadata = { name, ...(namespace === "" ? {} : { namespace }) };
  await client.create<PolicyObject>(resource, { metadata, spec } as PolicyObject, { signal });
}

const removePolicy = ({ client, signal }: Api, namespace: string, name: string) =>
  client.delete(ciliumNetworkPolicies, name, { namespace, signal });

async function put(
  { client, signal }: Api,
  key: string,
  value: string,
  more: Partial<Secret> = {},
) {
  const [namespace = "", name = ""] = key.split("/");
  const metadata = { namespace, name, ...more.metadata };
  const secret: Secret = { ...more, metadata, stringData: { value } };
  try {
    await client.create(secrets, secret, { signal });
  } catch (error) {
    if (!KubeError.isAlreadyExists(error)) throw error;
    const patch = { stringData: { value } };
    await client.patch(secrets, name, { namespace, type: "merge", patch, signal });
  }
}

async function remove({ client, signal }: Api, key: string): Promise<void> {
  const [namespace = "", name = ""] = key.split("/");
  await client.delete(secrets, name, { namespace, signal });
}

/** Every Secret of the namespace as "name (whose copy): value". */
async function copies({ client, signal }: Api): Promise<string[]> {
  const { items } = await client.list(secrets, { namespace: home, signal });
  return items
    .map(({ metadata, data }) => {
      const labels = metadata.labels ?? {};
      const owner = ["namespace", "name"]
        .map((what) => labels[`secretsync.cilium.io/owning-secret-${what}`] ?? "-")
        .join("/");
      return `${metadata.name} (${owner}): ${Buffer.from(data?.["value"] ?? "", "base64")}`;
    })
    .sort();
}

const expectCopies = (api: Api, ...lines: string[]) => expectEventually(() => copies(api), lines);

/** What the metric says, without zeros. */
async function counted(operator: Awaited<ReturnType<Cluster["operate"]>>): Promise<string> {
  const text = await operator.metrics.registry.metrics();
  const states = text.matchAll(/^tsilium_operator_policy_secrets\{state="(\w+)"\} ([1-9]\d*)$/gm);
  return Array.from(states, ([, state, count]) => `${state} ${count}`).join(", ");
}

test("a Secret beside its policy is copied, kept current, and removed with its source or its policy", () =>
  withCluster(async (cluster) => {
    await addNamespaces(cluster, "shop");
    const operator = await cluster.operate();
    await put(cluster, "shop/token", "one");
    await put(cluster, "shop/unnamed", "two");
    await addPolicy(cluster, "shop/p", tagging({ name: "token" }, { name: "later" }));
    await expectCopies(cluster, "shop-token (shop/token): one");
    await expectEventually(() => counted(operator), "copied 1, missing 1");
    await put(cluster, "shop/token", "other");
    await put(cluster, "shop/later", "three");
    await expectCopies(cluster, "shop-later (shop/later): three", "shop-token (shop/token): other");
    await remove(cluster, "shop/token");
    await expectCopies(cluster, "shop-later (shop/later): three");
    await removePolicy(cluster, "shop", "p");
    await expectCopies(cluster);
    await expectEventually(() => counted(operator), "");
  }));

test("TLS of policies of both kinds is copied; a Secret that another policy names stays", () =>
  withCluster(async (cluster) => {
    await addNamespaces(cluster, "shop", "trust");
    const type = "kubernetes.io/tls";
    const data = { "tls.crt": "AA==", "tls.key": "AA==" };
    await put(cluster, "shop/shown", "x", { type, data });
    await put(cluster, "trust/servers", "y");
    const tls = {
      ports: [port],
      terminatingTLS: { secret: { namespace: "shop", name: "shown" } },
      originatingTLS: { secret: { namespace: "trust", name: "servers" } },
    };
    await addPolicy(cluster, "/wide", egress(tls));
    await addPolicy(cluster, "shop/p", egress({ ...tls, originatingTLS: undefined }));
    await cluster.operate();
    const both = ["shop-shown (shop/shown): x", "trust-servers (trust/servers): y"];
    await expectCopies(cluster, ...both);
    const { client, signal } = cluster;
    const copy = await client.get(secrets, "shop-shown", { namespace: home, signal });
    assert.equal(copy.type, type);
    assert.deepEqual(copy.data, { ...data, value: "eA==" });
    await client.delete(ciliumClusterwideNetworkPolicies, "wide", { signal });
    await expectCopies(cluster, "shop-shown (shop/shown): x");
  }));

test("a type that changes, which the API server forbids of one Secret, comes with a new copy", () =>
  withCluster(async (cluster) => {
    await addNamespaces(cluster, "shop");
    await put(cluster, "shop/token", "one");
    await addPolicy(cluster, "shop/p", tagging({ name: "token" }));
    await cluster.operate();
    await expectCopies(cluster, "shop-token (shop/token): one");
    await remove(cluster, "shop/token");
    await put(cluster, "shop/token", "two", { type: "shop.example/token" });
    await expectCopies(cluster, "shop-token (shop/token): two");
  }));

test("what others do to a copy is put right, and what was missed while no operator ran", () =>
  withCluster(async (cluster) => {
    const { client, signal } = cluster;
    await addNamespaces(cluster, "shop");
    for (const name of ["a", "b", "c"]) await put(cluster, `shop/${name}`, name);
    await addPolicy(cluster, "shop/p", tagging({ name: "a" }, { name: "b" }));
    await addPolicy(cluster, "shop/q", tagging({ name: "c" }));
    const first = await cluster.operate();
    const all = ["a", "b", "c"].map((name) => `shop-${name} (shop/${name}): ${name}`);
    await expectCopies(cluster, ...all);
    await put(cluster, `${home}/shop-a`, "theirs");
    await remove(cluster, `${home}/shop-b`);
    await expectCopies(cluster, ...all);
    await first.stop();
    await put(cluster, "shop/a", "new");
    await removePolicy(cluster, "shop", "q");
    // A stray with labels like ours, and one whose name says that it is not.
    const labels = {
      "secretsync.cilium.io/owning-secret-namespace": "old",
      "secretsync.cilium.io/owning-secret-name": "x",
    };
    for (const name of ["old-x", "theirs"])
      await client.create(secrets, { metadata: { namespace: home, name, labels } }, { signal });
    await cluster.operate();
    await expectCopies(cluster, "shop-a (shop/a): new", "shop-b (shop/b): b", "theirs (old/x): ");
  }));

test("somebody's own Secret in a copy's place is left alone, until they give the place free", () =>
  withCluster(async (cluster) => {
    await addNamespaces(cluster, "shop", home);
    await put(cluster, `${home}/shop-token`, "by hand");
    await put(cluster, "shop/token", "one");
    await addPolicy(cluster, "shop/p", tagging({ name: "token" }));
    const operator = await cluster.operate();
    await expectEventually(() => counted(operator), "taken 1");
    await put(cluster, "shop/token", "two");
    await removePolicy(cluster, "shop", "p");
    await expectEventually(() => counted(operator), "");
    await expectCopies(cluster, "shop-token (-/-): by hand");
    await remove(cluster, `${home}/shop-token`);
    await addPolicy(cluster, "shop/p", tagging({ name: "token" }));
    await expectCopies(cluster, "shop-token (shop/token): two");
  }));

test("of two Secrets with one copy name the first keeps it, over a restart, until it goes", () =>
  withCluster(async (cluster) => {
    await addNamespaces(cluster, "a", "a-b");
    await put(cluster, "a/b-c", "first");
    await addPolicy(cluster, "a/p", tagging({ name: "b-c" }));
    const operator = await cluster.operate();
    await expectCopies(cluster, "a-b-c (a/b-c): first");
    await put(cluster, "a-b/c", "second");
    await addPolicy(cluster, "a-b/p", tagging({ name: "c" }));
    await expectEventually(() => counted(operator), "copied 1, conflict 1");
    await operator.stop();
    const next = await cluster.operate();
    await expectEventually(() => counted(next), "copied 1, conflict 1");
    await expectCopies(cluster, "a-b-c (a/b-c): first");
    await removePolicy(cluster, "a", "p");
    await expectCopies(cluster, "a-b-c (a-b/c): second");
  }));

test("switched off, nothing is copied and nothing removed", () =>
  withCluster(async (cluster) => {
    await addNamespaces(cluster, "shop");
    await put(cluster, "shop/token", "one");
    await addPolicy(cluster, "shop/p", tagging({ name: "token" }));
    const { client, signal } = cluster;
    await client.create(
      secrets,
      {
        metadata: {
          namespace: "shop",
          name: "shop-x",
          labels: {
            "secretsync.cilium.io/owning-secret-namespace": "shop",
            "secretsync.cilium.io/owning-secret-name": "x",
          },
        },
      },
      { signal },
    );
    const operator = await cluster.operate(
      "--enable-policy-secrets-sync=false",
      "--policy-secrets-namespace=shop",
    );
    const part = operator.health().find(({ name }) => name === "policies' Secrets");
    assert.equal(part?.state, "disabled");
    assert.ok(await client.get(secrets, "shop-x", { namespace: "shop", signal }));
  }));

test("what is in Secrets is in no log line, metric or health, whatever becomes of them", () =>
  withCluster(async (cluster) => {
    const canary = `c4n4ry${process.pid}never2be5een`;
    const folder = mkdtempSync(join(tmpdir(), "tsilium-canary-"));
    const fd = openSync(join(folder, "log"), "w");
    const stopping = new AbortController();
    try {
      await addNamespaces(cluster, "a", "a-b", home);
      const operator = await startOperator({
        client: cluster.api.connect(),
        config: loadConfig(["--cluster-pool-ipv4-cidr=10.244.0.0/22"], {}),
        log: createLog({ level: "trace", fd }),
        signal: stopping.signal,
      });
      await put(cluster, "a/b-c", canary);
      await put(cluster, "a-b/c", canary);
      await put(cluster, "a/own", canary);
      await put(cluster, `${home}/a-own`, canary);
      await put(cluster, "a/account", canary, {
        type: "kubernetes.io/service-account-token",
        metadata: { annotations: { "kubernetes.io/service-account.name": "x" } },
      });
      await addPolicy(
        cluster,
        "a/p",
        tagging({ name: "b-c" }, { name: "own" }, { name: "account" }),
      );
      await expectEventually(async () => (await copies(cluster)).length, 2);
      await addPolicy(cluster, "a-b/p", tagging({ name: "c" }));
      const metrics = () => operator.metrics.registry.metrics();
      for (const state of ["conflict", "taken", "refused"])
        await expectEventually(
          async () => (await metrics()).includes(`policy_secrets{state="${state}"} 1`),
          true,
        );
      await put(cluster, "a/b-c", `${canary}!`);
      await expectEventually(async () => (await copies(cluster))[0], `a-b-c (a/b-c): ${canary}!`);
      const told = [await metrics(), JSON.stringify(operator.health())];
      await remove(cluster, "a/b-c");
      await expectEventually(async () => (await copies(cluster))[0], `a-b-c (a-b/c): ${canary}`);
      stopping.abort(new Error("stopped"));
      await operator.stop();
      const log = readFileSync(join(folder, "log"), "utf8");
      for (const what of ["copied a policy's Secret", "brought the copy", "is not copied"])
        assert.ok(log.includes(what), what);
      for (const form of ["utf8", "base64", "hex"] as const)
        // Base64 of what follows it may differ in the last characters.
        for (const text of [log, ...told])
          assert.ok(!text.includes(Buffer.from(canary).toString(form).slice(0, 12)), form);
    } finally {
      stopping.abort(new Error("stopped"));
      closeSync(fd);
      rmSync(folder, { recursive: true });
    }
  }));

type Narrow = Api & { readonly operators: KubeClient; readonly reader: KubeClient };

/** The API server with the operator's role in force, and a user who may do nothing. */
async function withRoles(body: (api: Narrow) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "tsilium-roles-"));
  const pki = await createPki(join(folder, "pki"));
  const server = await ApiServer.start({
    dataDir: folder,
    pki,
    listeners: [{ address: "127.0.0.1", port: 0 }],
    tokens: [
      { token: "admin", name: "admin", groups: ["system:masters"] },
      { token: "operator", name: "operator", groups: ["tsilium:operators"] },
      { token: "reader", name: "reader", groups: ["tsilium:agents"] },
    ],
  });
  const [client, operators, reader] = ["admin", "operator", "reader"].map(
    (token) => new KubeClient({ server: server.origin, ca: pki.ca, token }),
  ) as [KubeClient, KubeClient, KubeClient];
  const signal = AbortSignal.timeout(15_000);
  try {
    for (const definition of definitions) await installDefinition(client, definition, signal);
    await body({ client, operators, reader, signal });
  } finally {
    for (const each of [client, operators, reader]) each[Symbol.dispose]();
    await server[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  }
}

/** The part alone, with a client's rights. */
async function withSync(
  client: KubeClient,
  body: (sync: PolicySecrets, warnings: string[]) => Promise<void>,
  place = home,
): Promise<void> {
  const stopping = new AbortController();
  const { signal } = stopping;
  const warnings: string[] = [];
  const log = Object.assign(createLog({ level: "silent" }), {
    warn: (...words: unknown[]) => warnings.push(JSON.stringify(words)),
  });
  const policies = [ciliumNetworkPolicies, ciliumClusterwideNetworkPolicies].map((resource) =>
    reflectTable<PolicyObject>(client, resource, { signal }),
  );
  const parseOptions = { clusterName: "default" };
  const sync = PolicySecrets.start({
    client,
    home: place,
    policies,
    parseOptions,
    log,
    signal,
  });
  try {
    await body(sync, warnings);
  } finally {
    stopping.abort(new Error("stopped"));
    await sync.stop();
    await Promise.all(policies.map(({ done }) => done));
  }
}

test("the operator's role suffices, and makes the namespace", () =>
  withRoles(async (api) => {
    await addNamespaces(api, "shop");
    await put(api, "shop/token", "one");
    await addPolicy(api, "shop/p", tagging({ name: "token" }));
    await withSync(api.operators, async () => {
      await expectCopies(api, "shop-token (shop/token): one");
      await put(api, "shop/token", "two");
      await expectCopies(api, "shop-token (shop/token): two");
      await remove(api, "shop/token");
      await expectCopies(api);
    });
  }));

test("without the right to read a Secret, that is said and nothing else ends", () =>
  withRoles(async (api) => {
    await addNamespaces(api, "shop");
    await put(api, "shop/token", "one");
    await addPolicy(api, "shop/p", tagging({ name: "token" }));
    // Agents may read policies, and the copies.
    await withSync(api.reader, async (sync, warnings) => {
      await expectEventually(async () => sync.stats().unreadable, 1);
      assert.ok(warnings.some((line) => /shop\/token.*unreadable.*forbidden/.test(line)));
      assert.ok(sync.health().every(({ state }) => state !== "failed"));
    });
    await assert.rejects(api.client.get(namespaces, home, api), KubeError.isNotFound);
  }));

const cases = [
  ["a namespace that cannot be made", "No_Name", /namespace No_Name is not there and cannot be/],
  ["a namespace where the operator may not write", "default", /default\/shop-token: .*forbidden/],
] as const;

for (const [what, place, expected] of cases)
  test(`${what} is told of, and tried again`, () =>
    withRoles(async (api) => {
      await addNamespaces(api, "shop");
      await put(api, "shop/token", "one");
      await addPolicy(api, "shop/p", tagging({ name: "token" }));
      const client = place === "default" ? api.operators : api.client;
      await withSync(
        client,
        async (sync, warnings) => {
          await expectEventually(async () => sync.stats().failing, 1);
          await expectEventually(async () => warnings.length >= 2, true);
          assert.match(warnings[0] ?? "", expected);
          assert.ok(sync.health().some(({ state }) => state === "degraded"));
        },
        place,
      );
    }));
