// Policy in the manner of the Kubernetes network-policy tests: 3 namespaces by 3 pods on two nodes, each serving TCP and UDP
// on two ports and answering pings, IPv4 and IPv6. In every case every pod tries every other, the nodes and the world, and
// the nodes try every pod. What is expected comes from the naive evaluator, given the same objects.
//
//   node-1: x/a x/c  y/a y/c  z/a z/c        node-2: x/b  y/b  z/b        world: 203.0.113.10, 2001:db8:113::10
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { soak } from "./harness.ts";
import { cases } from "./policy/cases.ts";
import { type Mode, PolicyCluster } from "./policy/cluster.ts";
import { differences } from "./policy/truth-table.ts";

const tunnelled: Mode = { name: "VXLAN", set: {}, fromRouter: true };
const native: Mode = {
  name: "native routing",
  set: {
    "routing-mode": "native",
    "auto-direct-node-routes": "true",
    "ipv4-native-routing-cidr": "10.244.0.0/16",
    "ipv6-native-routing-cidr": "fd00:10:244::/56",
  },
  fromRouter: false,
};

for (const mode of soak ? [tunnelled, native] : [tunnelled])
  describe(mode.name, () => {
    let cluster: PolicyCluster;
    before(async () => {
      cluster = await PolicyCluster.up(mode);
    });
    after(async () => {
      await cluster?.[Symbol.asyncDispose]();
    });

    for (const each of cases)
      test(each.sentence, async () => {
        const situation = await cluster.become(each);
        const probes = await cluster.probe(situation);
        assert.equal(differences(probes), "");
      });
  });
