// Node-to-node health in a lab: what an agent says of its peers while they are well, while one is stopped, cut off from the
// others, without its health endpoint, under policies that deny everything, and after its restart.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import type { AddressesView, HealthStatusView, PathView } from "@tsilium/health";
import { isAgentWell, killProcess, Lab, processPid, until } from "./harness.ts";

let lab: Lab;
before(async () => {
  lab = await Lab.up({ nodes: 2, set: { "health-check-interval": "1s" } });
  await until("every node reaches every node", async () =>
    (await verdicts("node-1")).every((line) => line.endsWith(" ok ok")),
  );
});
after(async () => {
  await lab?.[Symbol.asyncDispose]();
});

const whole = [
  "node-1 node 172.18.0.2 ok ok",
  "node-1 node fc00:18::2 ok ok",
  "node-1 endpoint 4 ok ok",
  "node-1 endpoint 6 ok ok",
  "node-2 node 172.18.0.3 ok ok",
  "node-2 node fc00:18::3 ok ok",
  "node-2 endpoint 4 ok ok",
  "node-2 endpoint 6 ok ok",
];

test("every node reaches every node and every health endpoint, both families, by ICMP and HTTP", async () => {
  assert.deepEqual(await verdicts("node-1", "--probe"), whole);
  assert.deepEqual(await verdicts("node-2", "--probe"), whole);
  const { stdout } = await lab.tsilium(["--node", "node-2", "status"]);
  assert.match(stdout, /cluster health +ok +2\/2 reachable/);
  assert.match(stdout, /health endpoint +ok +endpoint \d+: 10\.244\.\d\.\d+, fd00:/);
});

test("a health endpoint is an endpoint of the identity reserved:health, published in its CiliumNode", async () => {
  const { id, identity, interface: link, addressing } = await healthEndpoint("node-2");
  assert.ok(id > 0);
  assert.deepEqual(identity, { id: 4, labels: ["reserved:health"] });
  assert.equal(link.name, "lxc_health");
  const node = await lab.json<{ spec: { health: object } }>(
    "lab",
    "get",
    "ciliumnode",
    "node-2",
    "--name",
    lab.name,
  );
  assert.deepEqual(node.spec.health, addressing);
  const rows = await lab.json<{ prefix: string; identity: number; hostIp?: string }[]>(
    "--node",
    "node-1",
    "ip",
    "list",
  );
  const row = rows.find(({ prefix }) => prefix === `${addressing.ipv4}/32`);
  assert.deepEqual([row?.identity, row?.hostIp], [4, "172.18.0.3"]);
});

test("an agent that hangs is told from a node that is gone: its pods' network still answers", async () => {
  const pid = await processPid(lab, "agent/node-2");
  process.kill(pid, "SIGSTOP");
  try {
    const seen = await verdicts("node-1", "--probe");
    assert.deepEqual(seen.slice(4), [
      "node-2 node 172.18.0.3 ok no answer within 3000 ms",
      "node-2 node fc00:18::3 ok no answer within 3000 ms",
      ...whole.slice(6),
    ]);
    const { status, stdout } = await lab.tsilium(["--node", "node-1", "health", "status"]);
    assert.equal(status, 0);
    assert.match(stdout, /^Cluster health: 1\/2 reachable/);
    assert.match(stdout, /node-2 +172\.18\.0\.3 +no: .*3000 ms +yes/);
  } finally {
    process.kill(pid, "SIGCONT");
  }
});

test("a node that is cut off is unreachable with its pods, which is no fault of who says so", async () => {
  const cut = (word: string) =>
    lab.nodeExec("node-2", [
      "sh",
      "-c",
      `ip rule ${word} pref 10 to 172.18.0.2 blackhole; ip -6 rule ${word} pref 10 to fc00:18::2 blackhole`,
    ]);
  await cut("add");
  try {
    const seen = await verdicts("node-1", "--probe");
    assert.deepEqual(seen.slice(0, 4), whole.slice(0, 4));
    for (const line of seen.slice(4))
      assert.match(line, / no answer to 3 echo requests no answer within 3000 ms$/);
    assert.ok(await isAgentWell(lab, "node-1"));
    const metrics = await lab.nodeExec("node-1", ["curl", "-s", "http://127.0.0.1:9962/metrics"]);
    for (const line of [
      "tsilium_unreachable_nodes 1",
      "tsilium_unreachable_health_endpoints 1",
      'tsilium_node_health_connectivity_status{source_cluster="default",source_node_name="node-1",type="node",status="unreachable"} 1',
    ])
      assert.ok(metrics.stdout.includes(`${line}\n`), line);
  } finally {
    await cut("del");
  }
  assert.deepEqual(await verdicts("node-1", "--probe"), whole);
});

test("it is no pod of a namespace: default deny there is nothing to it, deny in all of the cluster is, as in Cilium", async () => {
  const deny = (kind: string, name: string) =>
    JSON.stringify({
      apiVersion: "cilium.io/v2",
      kind,
      metadata: { name, ...(kind === "CiliumNetworkPolicy" ? { namespace: "default" } : {}) },
      spec: { endpointSelector: {}, ingress: [{}], egress: [{}] },
    });
  const clusterwide = deny("CiliumClusterwideNetworkPolicy", "deny");
  await lab.apply(deny("CiliumNetworkPolicy", "deny"));
  await inForce();
  assert.deepEqual(await verdicts("node-1", "--probe"), whole);
  await lab.apply(clusterwide);
  await inForce();
  const denied = await verdicts("node-1", "--probe");
  assert.deepEqual(denied.slice(0, 6), whole.slice(0, 6));
  for (const line of denied.slice(6)) assert.match(line, / no answer to 3 echo requests no answer/);
  await lab.apply(readFileSync("docs/examples/health-policy.yaml", "utf8"));
  await inForce();
  assert.deepEqual(await verdicts("node-1", "--probe"), whole);
  await lab.tsilium(["lab", "delete", "--name", lab.name, "-f", "-"], { input: clusterwide });
  await lab.tsilium([
    "lab",
    "delete",
    "--name",
    lab.name,
    "-f",
    "docs/examples/health-policy.yaml",
  ]);
});

test("an agent that is killed finds its health endpoint again; a responder that is killed gets a successor", async () => {
  const first = await healthEndpoint("node-2");
  await killProcess(lab, "agent/node-2", { returned: () => isAgentWell(lab, "node-2") });
  assert.deepEqual(essence(await healthEndpoint("node-2")), essence(first));

  process.kill(responderPid("node-2"), "SIGKILL");
  await until("another health endpoint is up and reached", async () => {
    const [next] = await endpointsOfHealth("node-2");
    return (
      next !== undefined &&
      next.container.netns !== first.container.netns &&
      (await verdicts("node-1")).join() === whole.join()
    );
  });
  const links = await lab.nodeExec("node-2", ["sh", "-c", "ip -o link | grep -c lxc_health"]);
  assert.equal(links.stdout.trim(), "1");
});

type HealthRow = {
  readonly id: number;
  readonly identity: { readonly id: number; readonly labels: readonly string[] };
  readonly addressing: { readonly ipv4: string; readonly ipv6: string };
  readonly interface: { readonly name: string };
  readonly container: { readonly netns: string };
};

async function endpointsOfHealth(node: string): Promise<HealthRow[]> {
  const rows = await lab.json<HealthRow[]>("--node", node, "endpoint", "list");
  return rows.filter(({ identity }) => identity.id === 4);
}

async function healthEndpoint(node: string): Promise<HealthRow> {
  const [row, ...others] = await endpointsOfHealth(node);
  assert.ok(row && others.length === 0, `${node} has one health endpoint`);
  return row;
}

/** What an agent's restart leaves as it is. */
function essence({ id, addressing, container }: HealthRow) {
  return { id, addressing, netns: container.netns };
}

function responderPid(node: string): number {
  const file = `/var/run/tsilium/lab/${lab.name}/${node}/health/responder.pid`;
  return (JSON.parse(readFileSync(file, "utf8")) as { pid: number }).pid;
}

/** "NODE PATH ADDRESS ICMP HTTP" for every path; health endpoints by family, since their addresses differ from lab to lab. */
async function verdicts(node: string, ...options: string[]): Promise<string[]> {
  const { nodes } = await lab.json<HealthStatusView>(
    "--node",
    node,
    "health",
    "status",
    ...options,
  );
  const lines = (name: string, what: string, addresses: AddressesView | undefined) =>
    (addresses
      ? [addresses["primary-address"], ...(addresses["secondary-addresses"] ?? [])]
      : []
    ).map(
      (path) =>
        `${name} ${what} ${what === "node" ? path.ip : path.ip.includes(":") ? 6 : 4} ${word(path.icmp)} ${word(path.http)}`,
    );
  return nodes.flatMap(({ name, host, "health-endpoint": endpoint }) => [
    ...lines(name, "node", host),
    ...lines(name, "endpoint", endpoint),
  ]);
}

function word(result: PathView["icmp"]): string {
  return result === undefined ? "unknown" : result.status || "ok";
}

async function inForce(): Promise<void> {
  const result = await lab.lab("wait", "--for", "policy", "--timeout", "30s");
  assert.equal(result.status, 0, result.stderr);
}
