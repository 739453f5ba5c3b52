// A policy that does not validate is refused by the server as it runs, with the field's path, and what was stored stays.
import { strict as assert } from "node:assert";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { createPki } from "@tsilium/apiserver";
import { definitions, installDefinition } from "../../operator/src/crds/install.ts";
import { KubeClient, KubeError, resources, type KubeObject, type Resource } from "@tsilium/kube";

const folder = mkdtempSync(join(tmpdir(), "tsilium-policies-"));
const pkiDir = join(folder, "pki");
/** Counted from when something is asked: other files' tests run in this process before ours. */
const patience = () => AbortSignal.timeout(60_000);
let server: ChildProcess;
let client: KubeClient;

before(async () => {
  const pki = await createPki(pkiDir);
  const args = ["--data-dir", join(folder, "data"), "--pki-dir", pkiDir, "--listen", "127.0.0.1:0"];
  const main = join(import.meta.dirname, "main.ts");
  server = spawn(process.execPath, [main, ...args, "--no-controllers"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const [line] = (await once(createInterface(server.stdout as NodeJS.ReadableStream), "line")) as [
    string,
  ];
  const { port } = JSON.parse(line) as { port: number };
  const { cert, key } = await pki.client("admin", ["system:masters"]);
  client = new KubeClient({ server: `https://127.0.0.1:${port}`, ca: pki.ca, cert, key });
  for (const definition of definitions) await installDefinition(client, definition, patience());
});
after(async () => {
  client[Symbol.dispose]();
  server.kill("SIGTERM");
  await once(server, "exit");
  rmSync(folder, { recursive: true });
});

const namespace = "default";
type Policy = KubeObject & { readonly spec: Readonly<Record<string, unknown>> };

type Kind = {
  readonly resource: Resource<Policy>;
  readonly good: Policy["spec"];
  /** What a client changes of it, and the field that is told. */
  readonly change: Policy["spec"];
  readonly field: string;
};

const kinds: readonly Kind[] = [
  {
    resource: resources.networkPolicies as Resource<Policy>,
    good: { podSelector: {}, ingress: [{ ports: [{ port: 80 }] }] },
    change: { ingress: [{ port: [{ port: 80 }] }] },
    field: "spec.ingress[0].port",
  },
  {
    resource: resources.ciliumNetworkPolicies as Resource<Policy>,
    good: { endpointSelector: {}, ingress: [{ toPorts: [{ ports: [{ port: "80" }] }] }] },
    change: { ingress: [{ toPorts: [{ ports: [{ port: "80", endPort: 70 }] }] }] },
    field: "spec.ingress[0].toPorts[0].ports[0].endPort",
  },
  {
    resource: resources.ciliumClusterwideNetworkPolicies as Resource<Policy>,
    good: { endpointSelector: {}, egress: [{ toCIDRSet: [{ cidr: "10.0.0.0/8" }] }] },
    change: { egress: [{ toCIDRSet: [{ cidr: "10.0.0.0/8", except: ["11.0.0.0/16"] }] }] },
    field: "spec.egress[0].toCIDRSet[0].except[0]",
  },
  {
    resource: resources.clusterNetworkPolicies as Resource<Policy>,
    good: { tier: "Admin", priority: 1, subject: { namespaces: {} } },
    change: {
      egress: [{ action: "Deny", to: [{ networks: ["10.0.0.0/8"] }, { domainNames: ["a.b"] }] }],
    },
    field: "spec.egress[0].to[1].domainNames",
  },
  {
    resource: resources.ciliumCidrGroups as Resource<Policy>,
    good: { externalCIDRs: ["10.0.0.0/8"] },
    change: { externalCIDRs: ["10.0.0.0/33"] },
    field: "spec.externalCIDRs[0]",
  },
];

/** The refusal of a request that must be refused. */
async function refusal(request: Promise<unknown>): Promise<KubeError> {
  const error = await request.then(
    () => assert.fail("it was taken"),
    (reason: unknown) => reason as KubeError,
  );
  assert.equal(error.reason, "Invalid", error.message);
  return error;
}

for (const { resource, good, change, field } of kinds) {
  const { kind, namespaced } = resource;
  const scope = namespaced ? { namespace, signal: patience() } : { signal: patience() };
  const policy = (name: string, spec: Policy["spec"]): Policy => ({
    metadata: { name, ...(namespaced ? { namespace } : {}) },
    spec,
  });

  test(`${kind}: a new one that is wrong is refused with the field's path, and not stored`, async () => {
    const error = await refusal(
      client.create(resource, policy("bad", { ...good, ...change }), { signal: patience() }),
    );
    assert.ok(error.message.includes(` is invalid: ${field}: `), error.message);
    assert.equal(error.details?.causes?.[0]?.field, field);
    const { items } = await client.list(resource, { signal: patience() });
    assert.deepEqual(items, []);
  });

  test(`${kind}: no change makes a good one wrong, by any patch or put, rehearsed or not`, async () => {
    await client.create(resource, policy("good", good), { signal: patience() });
    const read = () => client.get(resource, "good", scope);
    const stored = await read();
    const jsonPatch = Object.entries(change).map(([name, value]) => ({
      op: "add",
      path: `/spec/${name}`,
      value,
    }));
    for (const dryRun of [undefined, "All"] as const) {
      const options = { ...scope, ...(dryRun ? { dryRun } : {}) };
      const patch = (type: "merge" | "json" | "strategic", body: unknown) => () =>
        client.patch(resource, "good", { type, patch: body, ...options });
      const attempts = [
        () => client.replace(resource, { ...stored, spec: { ...good, ...change } }, options),
        patch("merge", { spec: change }),
        patch("json", jsonPatch),
        ...(kind === "NetworkPolicy" ? [patch("strategic", { spec: change })] : []),
      ];
      for (const attempt of attempts)
        assert.equal((await refusal(attempt())).details?.causes?.[0]?.field, field);
    }
    assert.deepEqual(await read(), stored);
  });
}

test("peers by node labels are refused where nodes have no such identities", async () => {
  const spec = { endpointSelector: {}, ingress: [{ fromNodes: [{}] }] };
  const object = { metadata: { name: "nodes", namespace }, spec };
  const error = await refusal(
    client.create(resources.ciliumNetworkPolicies, object as KubeObject, { signal: patience() }),
  );
  assert.match(error.message, /spec\.ingress\[0\]\.fromNodes\[0\]: .*enable-node-selector-labels/);
});

test("annotations of ours are judged too", async () => {
  const metadata = {
    name: "annotated",
    namespace,
    annotations: { "policy.tsilium.io/enforcement": "adit" },
  };
  const object = { metadata, spec: { podSelector: {} } };
  const error = await refusal(
    client.create(resources.networkPolicies, object as KubeObject, { signal: patience() }),
  );
  assert.match(error.message, /policy\.tsilium\.io\/enforcement.*must be one of enforce, audit/);
});
