import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { Address, Prefix } from "@tsilium/net";
import { loadConfig } from "../config/load.ts";
import { datapathConfig } from "./datapath-config.ts";
import { loadNodeFacts, type NodeFacts, sameFacts, saveNodeFacts } from "./facts.ts";
import { routerOf } from "../ipam/pod-cidrs.ts";
import { areComplete } from "./local.ts";

const root = mkdtempSync(join(tmpdir(), "tsilium-facts-"));
after(() => rmSync(root, { recursive: true }));
const file = join(root, "node.json");

const facts: NodeFacts = {
  name: "node-1",
  ipv4: Address.parse("172.18.0.2"),
  ipv6: undefined,
  podCidrs: [Prefix.parse("10.244.0.0/24")],
  routerIpv4: Address.parse("10.244.0.1"),
  routerIpv6: undefined,
};

test("what a node knew of itself is known again, to the node of that name alone", () => {
  saveNodeFacts(file, facts);
  const loaded = loadNodeFacts(file, "node-1");
  assert.ok(loaded && sameFacts(loaded, facts));
  assert.equal(loadNodeFacts(file, "node-2"), undefined);
  assert.equal(loadNodeFacts(join(root, "none.json"), "node-1"), undefined);
  writeFileSync(file, '{"name":"node-1","podCidrs":["x"]}');
  assert.equal(loadNodeFacts(file, "node-1"), undefined);
});

test("facts serve only the families they have everything for", () => {
  const ipam = {
    isComplete: ({ podCidrs }: { podCidrs: readonly unknown[] }) => podCidrs.length > 0,
  };
  assert.equal(areComplete(facts, [4], ipam), true);
  assert.equal(areComplete(facts, [4, 6], ipam), false);
  assert.equal(areComplete({ ...facts, podCidrs: [] }, [4], ipam), false);
});

test("the router is the one that was published while it is in the pod CIDR, else the first address", () => {
  const published = Address.parse("10.244.0.9");
  const routerIn = (cidr: string) => String(routerOf(4, published, [Prefix.parse(cidr)]));
  assert.equal(routerIn("10.244.0.0/24"), "10.244.0.9");
  assert.equal(routerIn("10.244.7.0/24"), "10.244.7.1");
});

test("the datapath's configuration follows from the agent's and from what the node is", () => {
  const { values } = loadConfig(
    ["--enable-ipv6=false", "--node-port-range=30000,30100", "--bpf-ct-global-tcp-max=5000"],
    {},
  );
  const config = datapathConfig(values, facts, { devices: ["eth0"], mtu: 9000 });
  assert.deepEqual(
    [
      config.enableIpv6Masquerade,
      config.mtu,
      config.natPortRange,
      config.conntrackMax,
      config.natMax,
    ],
    [false, 9000, [30101, 65535], 5000, undefined],
  );
  assert.equal(String(config.ipv4NativeRoutingCidr), "10.0.0.0/8");
});
