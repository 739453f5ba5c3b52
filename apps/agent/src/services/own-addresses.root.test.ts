// Addresses of a namespace of this test alone, as they come and go; and the ports that are reserved there.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Address } from "@tsilium/net";
import { createLog } from "@tsilium/runtime";
import { type Netns, Topology } from "@tsilium/testkit";
import { OwnAddresses } from "./own-addresses.ts";
import { protectNodePorts } from "./port-range.ts";

let topology: Topology;
let node: Netns;
before(() => {
  topology = new Topology();
  node = topology.netns("node");
  topology.wire(
    { netns: node, device: "eth0", addresses: ["172.18.0.2/24", "fc00:18::2/64"] },
    { netns: topology.netns("peer"), device: "eth0" },
  );
});
after(() => topology[Symbol.dispose]());

test("addresses come and go as the kernel says, without loopback and link-local ones", async () => {
  using own = node.run(() => OwnAddresses.follow(createLog({ level: "fatal", base: {} })));
  const show = () => own.table.values().map(String).toArray().toSorted();
  assert.deepEqual(show(), ["172.18.0.2", "fc00:18::2"]);
  const until = async (expected: readonly string[]) => {
    for (let tries = 0; tries < 400 && String(show()) !== String(expected); tries++) await sleep(5);
    assert.deepEqual(show(), expected);
  };
  node.addAddress("eth0", "192.0.2.7/32");
  await until(["172.18.0.2", "192.0.2.7", "fc00:18::2"]);
  node.rtnl.addresses.delete({ device: "eth0", address: Address.parse("192.0.2.7"), length: 32 });
  await until(["172.18.0.2", "fc00:18::2"]);
});

test("node ports that are local ports too are reserved, once, beside those that are already", () => {
  const settings = "/proc/sys/net/ipv4";
  const reserved = () =>
    node.run(() => readFileSync(`${settings}/ip_local_reserved_ports`, "utf8").trim());
  const protect = () => node.run(() => protectNodePorts([30000, 32767]).message);
  node.run(() => writeFileSync(`${settings}/ip_local_port_range`, "32768 60999"));
  assert.equal(protect(), "30000-32767 lie outside local ports 32768-60999");
  assert.equal(reserved(), "");
  node.run(() => writeFileSync(`${settings}/ip_local_port_range`, "31000 60999"));
  node.run(() => writeFileSync(`${settings}/ip_local_reserved_ports`, "40000"));
  assert.equal(protect(), "31000-32767 are reserved now");
  assert.equal(reserved(), "31000-32767,40000");
  assert.equal(protect(), "31000-32767 are reserved");
  assert.equal(reserved(), "31000-32767,40000");
});
