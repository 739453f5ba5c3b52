// `kill -9` of an agent and its return: no packet of an established flow is lost, new flows go on
// throughout, IDs and addresses stay, and pods deleted meanwhile are cleaned up.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { assertCensus, census } from "./census.ts";
import { CniRuntime } from "./cni-runtime.ts";
import {
  echoPod,
  isAgentWell,
  killProcess,
  Lab,
  manifests,
  namespaceManifest,
  root,
} from "./harness.ts";

type EndpointRow = {
  id: number;
  identity: { id: number };
  addressing: { ipv4?: string; ipv6?: string };
  pod?: { name: string };
};

let lab: Lab;
let far4: string;
let near6: string;

before(async () => {
  lab = await Lab.up({ nodes: 2, name: `t${process.pid}restart` });
  await lab.apply(
    manifests(
      namespaceManifest("restart"),
      echoPod({ name: "client", namespace: "restart", node: "node-1" }),
      echoPod({ name: "near", namespace: "restart", node: "node-1" }),
      echoPod({ name: "far", namespace: "restart", node: "node-2" }),
    ),
  );
  await lab.wait("restart");
  const pods = await lab.pods("restart");
  const addressesOf = (name: string) =>
    pods.find((pod) => pod.metadata.name === name)?.status.podIPs?.map(({ ip }) => ip) ?? [];
  far4 = addressesOf("far").find((ip) => ip.includes(".")) as string;
  near6 = addressesOf("near").find((ip) => ip.includes(":")) as string;
});
after(async () => {
  await lab?.[Symbol.asyncDispose]();
});

test("while the agent is killed and returns, no packet is lost and new connections succeed", async () => {
  const pings = [far4, near6].map((address) =>
    lab.exec("restart", "client", ["ping", "-q", "-i", "0.005", "-c", "1200", "-W", "2", address]),
  );
  const connections = lab.exec("restart", "client", [`${root}/dist/bin/probe`], {
    input: Array.from(
      { length: 2000 },
      (_, at) => `tcp ${at % 2 ? far4 : near6} 8080 ${at}\n`,
    ).join(""),
  });
  await sleep(500);
  await killAgent("node-1");
  for (const ping of await Promise.all(pings))
    assert.match(ping.stdout, /1200 packets transmitted, 1200 received/);
  const failed = (await connections).stdout
    .split("\n")
    .filter((line) => line && !line.startsWith("ok "));
  assert.deepEqual(failed, []);
});

test("endpoints keep their IDs, addresses and identities", async () => {
  const list = () => lab.json<EndpointRow[]>("--node", "node-1", "endpoint", "list");
  const essence = (rows: EndpointRow[]) =>
    rows.map(({ id, identity, addressing, pod }) => [id, identity.id, addressing, pod?.name]);
  const before = essence(await list());
  await killAgent("node-1");
  assert.deepEqual(essence(await list()), before);
});

test("a DEL that arrives while the agent is away is carried out when it returns", async () => {
  await using runtime = new CniRuntime(lab, "node-1");
  const before = await census(lab, "node-1");
  await runtime.makeNetns("meanwhile");
  await runtime.add("meanwhile");
  await killAgent("node-1", () => runtime.del("meanwhile"));
  await runtime.removeNetns("meanwhile");
  await assertCensus(lab, "node-1", before);
});

test("a pod whose namespace went away while the agent was down is cleaned up", async () => {
  await using runtime = new CniRuntime(lab, "node-1");
  const before = await census(lab, "node-1");
  await runtime.makeNetns("vanished");
  await runtime.add("vanished");
  await killAgent("node-1", () => runtime.removeNetns("vanished"));
  await assertCensus(lab, "node-1", before);
});

/** Kills the agent, does something while it is away, and waits until another one is well. */
function killAgent(node: string, meanwhile?: () => Promise<void>): Promise<void> {
  return killProcess(lab, `agent/${node}`, {
    ...(meanwhile ? { meanwhile } : {}),
    returned: () => isAgentWell(lab, node),
  });
}
