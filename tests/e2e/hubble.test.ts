// Hubble in a lab, through the same command as a user: what pods do is seen by the relay's clients, with names.
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import {
  echoPod,
  isAgentWell,
  killProcess,
  Lab,
  manifests,
  namespaceManifest,
  root,
  run,
  until,
} from "./harness.ts";
import { Monitor } from "./monitor.ts";

/** What `hubble observe -o jsonpb` prints, as far as it is looked at here. */
type SeenEnd = {
  readonly namespace?: string;
  readonly pod_name?: string;
  readonly identity?: number;
  readonly labels?: readonly string[];
  readonly workloads?: readonly { readonly name: string; readonly kind: string }[];
};
type SeenPolicy = { readonly name: string; readonly namespace?: string; readonly kind: string };
type Seen = {
  readonly time: string;
  readonly uuid: string;
  readonly verdict: string;
  readonly drop_reason_desc?: string;
  readonly source: SeenEnd;
  readonly destination: SeenEnd;
  readonly node_name: string;
  readonly traffic_direction?: string;
  readonly is_reply?: boolean | { readonly value: boolean };
  readonly destination_service?: { readonly name: string; readonly namespace: string };
  readonly sock_xlate_point?: string;
  readonly IP?: { readonly source: string; readonly destination: string };
  readonly l4?: { readonly TCP?: { readonly destination_port: number } };
  readonly ingress_denied_by?: readonly SeenPolicy[];
  readonly ingress_allowed_by?: readonly SeenPolicy[];
};

const client = ["shop", "client"] as const;
const policy = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: web-only-8080, namespace: shop }
spec:
  podSelector: { matchLabels: { app: web } }
  policyTypes: [Ingress]
  ingress: [{ from: [{ podSelector: { matchLabels: { app: client } } }], ports: [{ port: 8080 }] }]
`;
const service = `
apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop }
spec: { selector: { app: web }, ports: [{ port: 80, targetPort: 8080 }] }
`;

let lab: Lab;

before(async () => {
  lab = await Lab.up({ name: `t${process.pid}hub` });
  await lab.apply(
    manifests(
      namespaceManifest("shop"),
      echoPod({ name: "client", namespace: "shop", node: "node-1", labels: { app: "client" } }),
      echoPod({ name: "web", namespace: "shop", node: "node-2", labels: { app: "web" } }),
      service,
      policy,
    ),
  );
  await lab.wait("shop");
  assert.equal((await lab.lab("wait", "--for", "policy")).status, 0);
});
after(() => lab?.[Symbol.asyncDispose]());

function hubble(...args: string[]) {
  return run(join(root, "hubble"), args, { env: { TSILIUM_LAB: lab.name } });
}

/** Flows that the relay tells, oldest first. */
async function observe(...filters: string[]): Promise<Seen[]> {
  const { status, stdout, stderr } = await hubble("observe", "-o", "jsonpb", ...filters);
  assert.equal(status, 0, stderr);
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as { flow?: Seen })
    .flatMap(({ flow }) => (flow ? [flow] : []));
}

/** The first flow that is as wanted, as soon as it is there. */
async function seen(what: string, filters: readonly string[], wanted: (flow: Seen) => boolean) {
  let found: Seen | undefined;
  await until(`${what} is seen`, async () => {
    found = (await observe("--last", "1000", ...filters)).find(wanted);
    return found !== undefined;
  });
  return found as Seen;
}

async function webAddress(): Promise<string> {
  const pods = await lab.pods("shop");
  const web = pods.find(({ metadata }) => metadata.name === "web");
  return web?.status.podIPs?.[0]?.ip ?? "";
}

const get = (url: string) => lab.exec(...client, ["curl", "-s", "-m", "2", url]);

test("what is forwarded is seen at both ends, with names, workloads and the policy that allowed it", async () => {
  const address = await webAddress();
  assert.equal((await get(`http://${address}:8080/`)).status, 0);
  const to = ["--from-pod", "shop/client", "--to-pod", "shop/web", "--port", "8080"];
  const sent = await seen("the sender's side", to, (flow) => flow.node_name === "node-1");
  const got = await seen(
    "the receiver's side",
    to,
    (flow) => flow.node_name === "node-2" && (flow.ingress_allowed_by ?? []).length > 0,
  );
  assert.equal(sent.verdict, "FORWARDED");
  assert.equal(sent.traffic_direction, "EGRESS");
  assert.equal(got.traffic_direction, "INGRESS");
  assert.equal(got.destination.pod_name, "web");
  assert.equal(got.source.pod_name, "client");
  assert.ok(got.source.labels?.includes("k8s:app=client"), JSON.stringify(got.source));
  assert.deepEqual(got.destination.workloads, [{ name: "web", kind: "Pod" }]);
  assert.deepEqual(
    got.ingress_allowed_by?.map(({ kind, namespace, name }) => `${kind} ${namespace}/${name}`),
    ["NetworkPolicy shop/web-only-8080"],
  );
  const replies = await observe("--last", "1000", "--from-pod", "shop/web", "--type", "trace");
  assert.ok(replies.length > 0, "replies are seen");
});

test("a default deny names the policies that cause it", async () => {
  const address = await webAddress();
  assert.notEqual((await get(`http://${address}:9999/`)).status, 0);
  const drop = await seen(
    "the drop",
    ["--verdict", "DROPPED", "--to-pod", "shop/web", "--port", "9999"],
    () => true,
  );
  assert.equal(drop.drop_reason_desc, "POLICY_DENIED");
  assert.equal(drop.source.pod_name, "client");
  assert.equal(drop.node_name, "node-2");
  assert.deepEqual(
    drop.ingress_denied_by?.map(({ kind, namespace, name }) => `${kind} ${namespace}/${name}`),
    ["NetworkPolicy shop/web-only-8080"],
  );
});

test("a service is seen as what was asked for, and what that became", async () => {
  const { spec } = await lab.json<{ spec: { clusterIP: string } }>(
    "lab",
    "get",
    "service",
    "web",
    "-n",
    "shop",
  );
  assert.equal((await get(`http://${spec.clusterIP}/`)).status, 0);
  const sock = ["--from-pod", "shop/client", "--type", "trace-sock"];
  const asked = await seen("what was asked for", sock, ({ verdict }) => verdict === "TRACED");
  const became = await seen("what it became", sock, ({ verdict }) => verdict === "TRANSLATED");
  assert.deepEqual(asked.destination_service, { name: "web", namespace: "shop" });
  assert.equal(asked.IP?.destination, spec.clusterIP);
  assert.equal(became.IP?.destination, await webAddress());
  assert.equal(became.destination.pod_name, "web");
});

test("the relay knows all nodes, and status says that Hubble is well", async () => {
  const { stdout, stderr, status } = await hubble("list", "nodes", "-o", "json");
  assert.equal(status, 0, stderr);
  for (const node of ["node-1", "node-2"]) assert.match(stdout, new RegExp(`"${node}"`));
  const health = await lab.json<{ parts: { name: string; state: string; message: string }[] }>(
    "--node",
    "node-1",
    "status",
  );
  const part = health.parts.find(({ name }) => name === "hubble");
  assert.equal(part?.state, "ok", String(part?.message));
  assert.match(part?.message ?? "", /^Current\/Max Flows: \d+\/4095 /);
});

test("tsilium monitor hears what the kernel tells while Hubble reads it", async () => {
  const address = await webAddress();
  const listening = lab.tsilium(["--node", "node-2", "monitor", "-o", "json"], {
    timeoutMs: 6_000,
  });
  const knocks = (async () => {
    for (let knock = 0; knock < 3; knock++) await get(`http://${address}:9998/`);
  })();
  const { stdout } = await listening;
  await knocks;
  const drops = stdout.split("\n").filter((line) => line.includes("Policy denied"));
  assert.ok(drops.length > 0, stdout);
});

test("an agent that is killed keeps its history, and goes on telling flows", async () => {
  const address = await webAddress();
  const to = ["--to-pod", "shop/web", "--port", "8080", "--type", "policy-verdict"];
  const before = await seen("a verdict", to, () => true);
  // What is kept may lag by a second.
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  await killProcess(lab, "agent/node-2", { returned: () => isAgentWell(lab, "node-2") });
  assert.equal((await get(`http://${address}:8080/`)).status, 0);
  let flows: Seen[] = [];
  await until("the flow after is seen", async () => {
    flows = await observe("--last", "1000", ...to);
    return flows.some(({ time }) => time > before.time);
  });
  assert.ok(
    flows.some(({ uuid }) => uuid === before.uuid),
    "the flow of before is still told",
  );
  assert.equal(new Set(flows.map(({ uuid }) => uuid)).size, flows.length, "each once");
});

test("without Hubble there is no relay, and tsilium monitor shows what happens all the same", async () => {
  await using bare = await Lab.up({
    nodes: 1,
    name: `t${process.pid}nohub`,
    set: { "enable-hubble": "false" },
  });
  const { processes } = await bare.json<{ processes: { name: string }[] }>(
    "lab",
    "status",
    "--name",
    bare.name,
  );
  assert.ok(!processes.some(({ name }) => name === "relay"));
  const health = await bare.json<{ parts: { name: string; state: string }[] }>(
    "--node",
    "node-1",
    "status",
  );
  assert.equal(health.parts.find(({ name }) => name === "hubble")?.state, "disabled");
  await bare.apply(
    manifests(
      namespaceManifest("shop"),
      echoPod({ name: "a", namespace: "shop", node: "node-1" }),
      echoPod({ name: "b", namespace: "shop", node: "node-1" }),
    ),
  );
  await bare.wait("shop");
  const [, b] = await bare.pods("shop");
  const url = `http://${b?.status.podIPs?.[0]?.ip}:8080/`;
  await using monitor = new Monitor(bare, "node-1", ["--trace"]);
  // Nothing is told before somebody listens.
  await monitor.listening(async () => void (await bare.exec("shop", "a", ["curl", "-s", url])));
});
