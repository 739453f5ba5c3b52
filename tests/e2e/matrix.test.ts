// Every pod reaches every pod, node and the world host, over TCP, UDP and ICMP, IPv4 and IPv6, with payloads
// around the MTU; in VXLAN and native routing, with checksum offload as veth has it and switched off.
//
//   node-1: 3 pods + 1 in the host's network     node-2, node-3: the same     world: 203.0.113.10
import assert from "node:assert/strict";
import { test } from "node:test";
import { echoPod, Lab, manifests, namespaceManifest, root } from "./harness.ts";
import { assertDropsSince, drops } from "./metrics.ts";
import { switchOffloadOff } from "./offload.ts";

const nodes = ["node-1", "node-2", "node-3"];
const underlayMtu = 1500;
const vxlanOverhead = 50;

const modes: Record<string, { set: Record<string, string>; mtu: number }> = {
  VXLAN: {
    set: { "routing-mode": "tunnel", "tunnel-protocol": "vxlan" },
    mtu: underlayMtu - vxlanOverhead,
  },
  "native routing": {
    set: {
      "routing-mode": "native",
      "auto-direct-node-routes": "true",
      "ipv4-native-routing-cidr": "10.244.0.0/16",
      "ipv6-native-routing-cidr": "fd00:10:244::/56",
    },
    mtu: underlayMtu,
  },
};

type Peer = { name: string; addresses: readonly string[]; port: number };

for (const [mode, { set, mtu }] of Object.entries(modes)) {
  test(`with ${mode}, every pod reaches every pod, node and the world host`, async (t) => {
    await using lab = await Lab.up({ nodes: 3, set });
    await lab.apply(manifests(namespaceManifest("matrix"), ...matrixPods()));
    await lab.wait("matrix");
    const pods = await lab.pods("matrix");
    const peers: Peer[] = [
      ...pods.map((pod) => ({
        name: pod.metadata.name,
        addresses: (pod.status.podIPs ?? []).map(({ ip }) => ip),
        port: pod.spec.hostNetwork ? 9090 : 8080,
      })),
      { name: "world", addresses: ["203.0.113.10", "2001:db8:113::10"], port: 8080 },
    ];
    for (const { name, addresses } of peers)
      assert.equal(addresses.length, 2, `${name} has ${addresses}`);

    for (const offload of [true, false]) {
      if (!offload) await switchOffloadOff(lab, "matrix");
      await t.test(`small payloads, tx checksum offload ${offload ? "on" : "off"}`, async () => {
        const before = await drops(lab, nodes);
        for (const pod of pods) await probeAll(lab, pod.metadata.name, peers, () => [64]);
        await assertDropsSince(lab, nodes, before);
      });
      await t.test(
        `payloads around the MTU, tx checksum offload ${offload ? "on" : "off"}`,
        async () => {
          const before = await drops(lab, nodes);
          const far = peers.filter(({ name }) =>
            ["pod-1-1", "pod-2-1", "pod-1-2", "host-2", "world"].includes(name),
          );
          await probeAll(lab, "pod-1-1", far, (protocol, family) =>
            sizesAroundMtu(protocol, family, mtu),
          );
          await assertDropsSince(lab, nodes, before);
        },
      );
    }
  });
}

function matrixPods(): string[] {
  return nodes.flatMap((node, at) => [
    ...[1, 2, 3].map((number) =>
      echoPod({ name: `pod-${at + 1}-${number}`, namespace: "matrix", node }),
    ),
    echoPod({ name: `host-${at + 1}`, namespace: "matrix", node, hostNetwork: true, port: 9090 }),
  ]);
}

/** Payload sizes one below, at and one above what fits a packet, then what takes two fragments, then 64 KB. */
function sizesAroundMtu(protocol: string, family: 4 | 6, mtu: number): number[] {
  if (protocol === "tcp") return [mtu - 1, mtu, mtu + 1, 65536];
  const fits = mtu - (family === 4 ? 20 : 40) - 8;
  return [fits - 1, fits, fits + 1, 2 * fits, 65000];
}

async function probeAll(
  lab: Lab,
  from: string,
  peers: readonly Peer[],
  sizes: (protocol: string, family: 4 | 6) => number[],
): Promise<void> {
  const lines: string[] = [];
  for (const peer of peers) {
    for (const address of peer.addresses) {
      for (const protocol of ["tcp", "udp", "icmp"]) {
        for (const size of sizes(protocol, address.includes(":") ? 6 : 4)) {
          lines.push(`${protocol} ${address} ${protocol === "icmp" ? 0 : peer.port} ${size}`);
        }
      }
    }
  }
  const result = await lab.exec("matrix", from, [`${root}/dist/bin/probe`], {
    input: `${lines.join("\n")}\n`,
  });
  const answers = result.stdout.split("\n").filter(Boolean);
  const failures = answers.filter((line) => !line.startsWith("ok "));
  assert.deepEqual(failures, [], `from ${from} ${result.stderr}`);
  assert.equal(answers.length, lines.length, `from ${from}: ${result.stderr}`);
}
