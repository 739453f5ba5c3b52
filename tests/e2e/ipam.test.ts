// Pools of addresses in a lab of two nodes: pods of several pools reach each other across nodes on both families, over the
// death of an agent, and no two pods of the lab ever have the same address. (Every mode, with 32 ADDs at once and a log of
// who got what: apps/agent/src/ipam/modes.root.test.ts.)
import assert from "node:assert/strict";
import { test } from "node:test";
import { isAgentWell, killProcess, Lab, type PodObject, until } from "./harness.ts";

type Nodes = {
  readonly items: readonly {
    readonly metadata: { readonly name: string };
    readonly spec: {
      readonly ipam: {
        readonly pools?: { readonly allocated?: readonly { pool: string; cidrs: string[] }[] };
      };
    };
  }[];
};

const pool = (four: string, six: string) =>
  `ipv4-cidrs:${four};ipv4-mask-size:29;ipv6-cidrs:${six};ipv6-mask-size:125`;

function deployment(namespace: string, replicas: number): string {
  return `
apiVersion: v1
kind: Namespace
metadata: { name: ${namespace}, annotations: { ipam.cilium.io/ip-pool: ${namespace} } }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: many, namespace: ${namespace} }
spec:
  replicas: ${replicas}
  selector: { matchLabels: { app: many } }
  template:
    metadata: { labels: { app: many } }
    spec:
      containers: [{ name: shell, image: none, command: [sleep, infinity] }]
`;
}

const ipsOf = ({ status }: PodObject) => (status.podIPs ?? []).map(({ ip }) => ip);

test("pods of several pools reach each other across nodes, and pools follow their number", async () => {
  await using lab = await Lab.up({
    name: `t${process.pid}ipam`,
    set: {
      ipam: "multi-pool",
      "auto-create-cilium-pod-ip-pools": [
        `default=${pool("10.10.0.0/16", "fd00:10::/104")}`,
        `sea=${pool("10.20.0.0/16", "fd00:20::/104")}`,
        `sky=${pool("10.30.0.0/16", "fd00:30::/104")}`,
      ].join(),
    },
  });
  const allocated = async (name: string): Promise<string[]> => {
    const { items } = await lab.json<Nodes>("lab", "get", "ciliumnodes", "--name", lab.name);
    return items
      .flatMap(({ spec }) => spec.ipam.pools?.allocated ?? [])
      .flatMap((each) => (each.pool === name ? each.cidrs : []));
  };
  await lab.apply(deployment("sea", 14));
  await lab.apply(deployment("sky", 4));
  await lab.wait("sea");
  await lab.wait("sky");
  const sea = await lab.pods("sea");
  const sky = await lab.pods("sky");
  const all = [...sea, ...sky].flatMap(ipsOf);
  assert.equal(all.length, 36);
  assert.equal(new Set(all).size, 36);
  assert.ok(sea.flatMap(ipsOf).every((ip) => /^(10\.20\.|fd00:20:)/.test(ip)));
  assert.ok(sky.flatMap(ipsOf).every((ip) => /^(10\.30\.|fd00:30:)/.test(ip)));
  // 14 pods on two nodes need two CIDRs of six (IPv4) or seven (IPv6) addresses on each at least.
  const ofSea = await allocated("sea");
  assert.equal(new Set(ofSea).size, ofSea.length);
  assert.ok(ofSea.length >= 5, ofSea.join());

  const on = (pods: readonly PodObject[], node: string) =>
    pods.find(({ spec }) => spec.nodeName === node) as PodObject;
  const reach = async () => {
    const from = on(sea, "node-1");
    const targets = [on(sky, "node-2"), on(sea, "node-2"), on(sky, "node-1")].flatMap(ipsOf);
    for (const ip of targets) {
      const ping = await lab.exec("sea", from.metadata.name, ["ping", "-c1", "-W2", ip]);
      assert.equal(ping.status, 0, `${from.metadata.name} to ${ip}: ${ping.stdout}`);
    }
    for (const ip of targets) {
      const ping = await lab.nodeExec("node-1", ["ping", "-c1", "-W2", ip]);
      assert.equal(ping.status, 0, `node-1 to ${ip}: ${ping.stdout}`);
    }
  };
  await reach();
  await killProcess(lab, "agent/node-1", { returned: () => isAgentWell(lab, "node-1") });
  await reach();

  const gone = await lab.lab("delete", "deployment", "many", "-n", "sea");
  assert.equal(gone.status, 0, gone.stderr);
  await until("the pool has all its CIDRs back", async () => (await allocated("sea")).length === 0);
  const kept = await allocated("sky");
  assert.ok(kept.length >= 2, kept.join());
});
