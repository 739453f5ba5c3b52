// From flows to policy in a lab: what pods did is recorded, policies are suggested from it, and with those in force the
// same goes on and nothing else does.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { echoPod, killProcess, isAgentWell, Lab, manifests, namespaceManifest } from "./harness.ts";

//   client (node-1) --8080--> web (node-2) --8080--> world        stranger (node-1) --8080--> web: never let through
let lab: Lab;
let addresses: ReadonlyMap<string, readonly string[]>;
const folder = mkdtempSync(join(tmpdir(), "tsilium-suggest-"));
const world = ["203.0.113.10", "2001:db8:113::10"];

before(async () => {
  lab = await Lab.up({ name: `t${process.pid}suggest` });
  const pod = (name: string, namespace: string, node: string) =>
    echoPod({ name, namespace, node, labels: { app: name } });
  await lab.apply(
    manifests(
      namespaceManifest("shop"),
      namespaceManifest("other"),
      pod("client", "shop", "node-1"),
      pod("web", "shop", "node-2"),
      pod("stranger", "other", "node-1"),
    ),
  );
  await lab.wait("shop");
  await lab.wait("other");
  const pods = [...(await lab.pods("shop")), ...(await lab.pods("other"))];
  addresses = new Map(
    pods.map(({ metadata, status }) => [metadata.name, (status.podIPs ?? []).map(({ ip }) => ip)]),
  );
});

after(async () => {
  rmSync(folder, { recursive: true, force: true });
  await lab?.[Symbol.asyncDispose]();
});

/** Whether an HTTP answer comes, in both families. */
async function reaches(namespace: string, pod: string, to: readonly string[]): Promise<boolean[]> {
  return Promise.all(
    to.map(async (address) => {
      const host = address.includes(":") ? `[${address}]` : address;
      const url = `http://${host}:8080/`;
      const { status } = await lab.exec(namespace, pod, ["curl", "-s", "-m", "2", url]);
      return status === 0;
    }),
  );
}

function of(pod: string): readonly string[] {
  return addresses.get(pod) ?? [];
}

/** Until what was done is in the nodes' rings and the relay can tell it. */
async function settled(): Promise<void> {
  await sleep(1500);
}

test("suggested policies allow what was seen, and deny what was not", async () => {
  assert.deepEqual(await reaches("shop", "client", of("web")), [true, true]);
  assert.deepEqual(await reaches("shop", "web", world), [true, true]);
  await settled();
  const suggested = await lab.tsilium(["policy", "suggest", "-n", "shop", "--since", "10m"]);
  assert.equal(suggested.status, 0, suggested.stderr);
  await lab.apply(suggested.stdout);
  await lab.lab("wait", "--for", "policy");
  assert.deepEqual(await reaches("shop", "client", of("web")), [true, true]);
  assert.deepEqual(await reaches("shop", "web", world), [true, true]);
  assert.deepEqual(await reaches("shop", "web", of("client")), [false, false]);
  assert.deepEqual(await reaches("other", "stranger", of("web")), [false, false]);
  assert.deepEqual(await reaches("shop", "client", world), [false, false]);
});

test("what they denied stays denied in the next suggestion, unless it is asked for", async () => {
  await settled();
  const words = ["policy", "suggest", "-n", "shop", "--since", "10m"];
  const again = await lab.tsilium(words);
  assert.equal(again.status, 0, again.stderr);
  assert.doesNotMatch(again.stdout, /app: stranger/);
  const all = await lab.tsilium([...words, "--include-drops"]);
  assert.equal(all.status, 0, all.stderr);
  assert.match(all.stdout, /app: stranger/);
});

test("a diff tells which recorded connections another policy would deny, after kill -9 of an agent too", async () => {
  await killProcess(lab, "agent/node-2", { returned: () => isAgentWell(lab, "node-2") });
  await lab.lab("wait", "--for", "policy");
  const file = join(folder, "web.yaml");
  writeFileSync(
    file,
    `
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: web, namespace: shop }
spec:
  endpointSelector: { matchLabels: { app: web } }
  ingress: [{ fromEndpoints: [{ matchLabels: { app: nobody } }] }]
`,
  );
  const words = ["--node", "node-1", "policy", "diff", "-f", file, "--since", "10m"];
  const { status, stdout, stderr } = await lab.tsilium([...words, "-o", "json"]);
  assert.equal(status, 2, stderr);
  const { changes } = JSON.parse(stdout) as {
    changes: { from: object; to: object; port: string; before: string; after: string }[];
  };
  const named = changes.map(({ from, to, port, before: was, after: will }) => {
    const labels = (end: { labels?: { app: string }; entity?: string }) =>
      end.entity ?? end.labels?.app;
    return `${labels(from)} -> ${labels(to)} ${port} ${was} -> ${will}`;
  });
  assert.deepEqual(named.toSorted(), ["client -> web 8080/TCP allowed -> denied"]);
});
