// Tables of objects against the real API server.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { resources } from "@tsilium/kube";
import { startTestApi, type TestApi } from "@tsilium/testkit/api-server.ts";
import type { ObjectRow } from "../shared/stream.ts";
import { get, type Harness, LineReader, startHarness } from "../testing/harness.ts";

const { signal } = new AbortController();
let api: TestApi;
let harness: Harness;

before(async () => {
  api = await startTestApi();
  harness = await startHarness({ client: api.connect() });
});
after(async () => {
  await harness[Symbol.asyncDispose]();
  await api[Symbol.asyncDispose]();
});

function rowsOf(reader: LineReader): Map<string, ObjectRow> {
  const rows = new Map<string, ObjectRow>();
  for (const line of reader.lines) {
    if (line.kind !== "objects") continue;
    for (const row of line.upsert ?? []) rows.set(row.key, row);
    for (const key of line.remove ?? []) rows.delete(key);
  }
  return rows;
}

const isSynced = (reader: LineReader) =>
  reader.lines.some((line) => line.kind === "objects" && line.synced);

test("policies of all kinds are listed, and follow what changes", async () => {
  const { client } = api;
  await client.create(
    resources.networkPolicies,
    {
      metadata: { name: "deny", namespace: "default" },
      spec: { podSelector: {}, policyTypes: ["Ingress", "Egress"] },
    },
    { signal },
  );
  await client.create(
    resources.ciliumNetworkPolicies,
    {
      metadata: { name: "web", namespace: "default" },
      spec: {
        endpointSelector: { matchLabels: { app: "web" } },
        ingress: [{ fromEntities: ["world"] }],
        ingressDeny: [{ fromEntities: ["host"] }],
      },
    },
    { signal },
  );
  using reader = new LineReader(harness.port, "/api/objects?kind=policies");
  await reader.until(() => isSynced(reader) && rowsOf(reader).size === 2);
  assert.deepEqual(
    [...rowsOf(reader).values()].toSorted((a, b) => (a.key < b.key ? -1 : 1)),
    [
      {
        key: "CiliumNetworkPolicy/default/web",
        kind: "CiliumNetworkPolicy",
        namespace: "default",
        name: "web",
        selects: "pods app=web",
        ingress: 1,
        egress: 0,
        deny: 1,
        isolates: ["ingress"],
        problem: "",
        audit: false,
      },
      {
        key: "NetworkPolicy/default/deny",
        kind: "NetworkPolicy",
        namespace: "default",
        name: "deny",
        selects: "all pods",
        ingress: 0,
        egress: 0,
        deny: 0,
        isolates: ["ingress", "egress"],
        problem: "",
        audit: false,
      },
    ],
  );
  await client.delete(resources.networkPolicies, "deny", { namespace: "default", signal });
  await reader.until(() => rowsOf(reader).size === 1);
  using second = new LineReader(harness.port, "/api/objects?kind=policies");
  await second.until(() => isSynced(second));
  assert.deepEqual([...rowsOf(second).keys()], ["CiliumNetworkPolicy/default/web"]);
});

test("a service's row counts its backends, ready ones apart", async () => {
  const { client } = api;
  const slice = (ready: boolean) => ({
    metadata: {
      name: "web-1",
      namespace: "default",
      labels: { "kubernetes.io/service-name": "web" },
    },
    addressType: "IPv4" as const,
    endpoints: [
      { addresses: ["10.244.0.5"], conditions: { ready: true } },
      { addresses: ["10.244.0.6"], conditions: { ready } },
    ],
  });
  await client.create(
    resources.services,
    {
      metadata: { name: "web", namespace: "default" },
      spec: { selector: { app: "web" }, ports: [{ port: 80, targetPort: 8080 }] },
    },
    { signal },
  );
  await client.create(resources.endpointSlices, slice(false), { signal });
  using reader = new LineReader(harness.port, "/api/objects?kind=services");
  const web = () => rowsOf(reader).get("default/web");
  await reader.until(() => web()?.["backends"] === 2);
  assert.deepEqual([web()?.["ready"], web()?.["ports"]], [1, ["80→8080/TCP"]]);
  await client.replace(resources.endpointSlices, slice(true), { signal });
  await reader.until(() => web()?.["ready"] === 2);
});

test("the rule that decided is marked in the object as it is now", async () => {
  const asked =
    "/api/policy?kind=CiliumNetworkPolicy&namespace=default&name=web&path=spec.ingressDeny[0]";
  const answer = JSON.parse((await get(harness.port, asked)).body) as {
    yaml: string;
    marked: { from: number; to: number };
  };
  const lines = answer.yaml.split("\n");
  assert.deepEqual(lines.slice(answer.marked.from, answer.marked.to), [
    "    - fromEntities:",
    "        - host",
  ]);
  assert.doesNotMatch(answer.yaml, /resourceVersion|uid|managedFields/);
  const gone = JSON.parse(
    (await get(harness.port, asked.replace("ingressDeny[0]", "egress[3]"))).body,
  ) as { remark: string };
  assert.match(gone.remark, /has changed since/);
  const missing = await get(harness.port, asked.replace("name=web", "name=other"));
  assert.equal(missing.status, 404);
  assert.match(missing.body, /not there any longer/);
});

test("names that are suggested are the cluster's", async () => {
  const { client } = api;
  await client.create(
    resources.ciliumEndpoints,
    {
      metadata: { name: "web-1", namespace: "default" },
      status: {
        identity: { id: 4711, labels: ["k8s:app=web"] },
        networking: { addressing: [{ ipv4: "10.244.0.5" }] },
        state: "ready",
      },
    },
    { signal },
  );
  const suggest = async (word: string, text: string) =>
    (
      JSON.parse((await get(harness.port, `/api/suggest?word=${word}&text=${text}`)).body) as {
        values: string[];
      }
    ).values;
  assert.deepEqual(await suggest("from-pod", "we"), ["default/web-1"]);
  assert.deepEqual(await suggest("label", "app"), ["app=web"]);
  assert.deepEqual(await suggest("identity", "kube"), ["kube-apiserver"]);
  assert.deepEqual(await suggest("ip", "10.244"), ["10.244.0.5"]);
});

test("when the API server is away the table stays and says so; when it is back it goes on", async () => {
  using reader = new LineReader(harness.port, "/api/objects?kind=policies");
  await reader.until(() => isSynced(reader));
  const errors = () =>
    reader.lines.flatMap((line) => (line.kind === "objects" ? (line.error ?? []) : []));
  await api.restart(async () => {
    await reader.until(() => (errors().at(-1) ?? "") !== "");
  });
  // Attempts come less and less often while it is away.
  await reader.until(() => errors().at(-1) === "", 30_000);
  assert.equal(rowsOf(reader).size, 1);
});
