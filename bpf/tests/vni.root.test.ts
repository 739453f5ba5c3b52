// Which identity travels in the VNI.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { encode, loadCollection } from "@tsilium/ebpf";
import { Address, Prefix } from "@tsilium/net";
import { mappedBytes, prefixKey } from "../../packages/datapath/src/tables/address-key.ts";
import * as abi from "../../packages/datapath/src/gen/abi.ts";
import { compileTestObject } from "./compile.ts";
import { applyConfig, TestNode } from "./node.ts";
import {
  a,
  frame,
  hop,
  identities,
  macs,
  node,
  remotePod,
  router,
  standard,
  world,
  type Party,
} from "./world.ts";

const testNode = new TestNode();
const spec = compileTestObject("encapsulated");
applyConfig(spec, standard);
const looked = loadCollection(spec, { maps: testNode.maps, programs: ["look_after_from_host"] });
after(() => {
  looked[Symbol.dispose]();
  testNode[Symbol.dispose]();
});

/** A CIDR identity that this node made for itself: scope 1. */
const localIdentity = (1 << 24) | 7;
testNode.map("tsi_ipcache").update(
  encode(abi.ipcacheKey, prefixKey(Prefix.parse(`${hop[4]}/32`))),
  encode(abi.ipcacheEntry, {
    identity: localIdentity,
    cidrSet: 0,
    tunnelEndpoint: mappedBytes(undefined),
    flags: 0,
    owner: 7,
  }),
);

function vniOf(source: Party): number {
  const packet = frame(4, [source, remotePod], { src: macs.here }).tcp({ sport: 1, dport: 2 });
  looked.program("look_after_from_host").testRun({ data: packet.bytes() });
  return lookedAt().getUint32(0, true);
}

function lookedAt(): DataView {
  const value = looked.map("seen").lookup(new Uint8Array(4)) as Uint8Array;
  return new DataView(value.buffer, value.byteOffset, value.byteLength);
}

test("a pod's own identity", () => {
  assert.equal(vniOf(a), identities.a);
});

test("the node is to other nodes a remote node", () => {
  assert.equal(vniOf(router), 6);
  assert.equal(vniOf(node), 6);
});

test("the world stays the world", () => {
  assert.equal(vniOf(world), 2);
});

test("an identity that means something on this node only travels as world", () => {
  assert.equal(vniOf(hop), 9);
});

test("tunnels start at the node's address", () => {
  vniOf(a);
  assert.equal(lookedAt().getUint32(4, true), Number(Address.parse(node[4]).toBigInt()));
});
