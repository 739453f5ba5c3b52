import assert from "node:assert/strict";
import { test } from "node:test";
import { PoolIpam } from "@tsilium/ipam";
import { Address, Prefix } from "@tsilium/net";
import type { Node } from "@tsilium/node/model.ts";
import { Table } from "@tsilium/tables";
import { conflictMessage, Conflicts } from "./conflicts.ts";

const parse = (texts: readonly string[]) => texts.map((text) => Prefix.parse(text));

function nodeOf(name: string, ...podCidrs: string[]): Node {
  const none = { ipv4: undefined, ipv6: undefined, routerIpv4: undefined, routerIpv6: undefined };
  return { name, local: false, ...none, podCidrs: parse(podCidrs), labels: {} };
}

function setUp(nodeName: string, ...own: string[]) {
  const nodes = new Table<Node>({ name: "nodes", key: ({ name }) => name });
  const elsewhere = new Map<string, string>();
  const conflicts = new Conflicts({
    nodeName,
    nodes,
    podElsewhere: (address) => elsewhere.get(address.toString()),
  });
  conflicts.setOwn(parse(own));
  return { nodes, conflicts, elsewhere };
}

test("ranges that overlap another node's are told of as long as they do, wider and narrower ones", () => {
  const { nodes, conflicts } = setUp("node-2", "10.0.0.0/24", "fd00::/64");
  const told = () => conflicts.list().map(({ node, ours, theirs }) => `${node} ${ours} ${theirs}`);
  nodes.upsert(nodeOf("node-1", "10.0.1.0/24", "fd00::/60"));
  nodes.upsert(nodeOf("node-3", "10.0.0.128/25"));
  assert.deepEqual(told(), ["node-1 fd00::/64 fd00::/60", "node-3 10.0.0.0/24 10.0.0.128/25"]);
  nodes.upsert(nodeOf("node-3", "10.0.3.0/24"));
  assert.deepEqual(told(), ["node-1 fd00::/64 fd00::/60"]);
  conflicts.setOwn(parse(["10.0.3.0/26"]));
  assert.deepEqual(told(), ["node-3 10.0.3.0/26 10.0.3.0/24"]);
  assert.equal(
    conflictMessage(conflicts.list()),
    "10.0.3.0/26 of this node overlaps 10.0.3.0/24 of node node-3: take it from one of their CiliumNodes",
  );
  nodes.delete("node-3");
  assert.equal(conflictMessage(conflicts.list()), undefined);
});

test("two nodes that list the same addresses never hand out the same one", () => {
  const shared = ["10.0.0.0/28"];
  const given: string[] = [];
  for (const name of ["node-1", "node-2"]) {
    const other = name === "node-1" ? "node-2" : "node-1";
    const own = name === "node-1" ? shared : [...shared, "10.0.7.0/30"];
    const { nodes, conflicts } = setUp(name, ...own);
    nodes.upsert(nodeOf(other, ...shared));
    using ipam = new PoolIpam({
      mode: "crd",
      families: [4],
      takenElsewhere: (address) => conflicts.takenElsewhere(address),
    });
    ipam.setRanges("default", parse(own));
    for (let pair = ipam.tryAllocate("x"); pair; pair = ipam.tryAllocate("x"))
      given.push(String(pair.ipv4));
  }
  assert.equal(new Set(given).size, given.length);
  assert.deepEqual(given.slice(-2), ["10.0.7.1", "10.0.7.2"]);
});

test("an address that a pod of another node has is not handed out, whoever lists it", () => {
  const { conflicts, elsewhere } = setUp("node-1", "10.0.0.0/30");
  elsewhere.set("10.0.0.1", "pod ns/a");
  assert.equal(conflicts.takenElsewhere(Address.parse("10.0.0.1")), "pod ns/a");
  assert.equal(conflicts.takenElsewhere(Address.parse("10.0.0.2")), undefined);
});
