// Whom a backend on another node takes a client from outside for: its identity travels in the VNI, not in its address.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { encode, loadCollection } from "@tsilium/ebpf";
import { Address, Prefix } from "@tsilium/net";
import * as abi from "../../packages/datapath/src/gen/abi.ts";
import { plainServices } from "../../packages/datapath/src/testing/service-config.ts";
import { mappedBytes, prefixKey } from "../../packages/datapath/src/tables/address-key.ts";
import { compileTestObject } from "./compile.ts";
import { applyConfig, TestNode } from "./node.ts";
import { runNetns } from "./run-netns.ts";
import type { Place } from "./service-spec.ts";
import { external, segment, wire } from "./service-world.ts";
import { type Family, hop, otherNode, type Party, remotePod, standard, world } from "./world.ts";

const services = { ...plainServices, nodePort: true, dsr: "opt" } as const;
const testNode = new TestNode({ services });
const spec = compileTestObject("encapsulated_netdev");
applyConfig(spec, { ...standard, services });
const noting = loadCollection(spec, { maps: testNode.maps, programs: ["tsi_from_netdev"] });
after(() => {
  noting[Symbol.dispose]();
  testNode[Symbol.dispose]();
});

const snat: Place = { at: external(1), port: 80 };
const direct: Place = { at: external(2), port: 80 };
testNode.services.set([
  {
    frontends: [
      { ...snat, kind: "external" },
      { ...direct, kind: "external", dsr: true },
    ],
    protocols: ["tcp"],
    backends: [{ at: remotePod, port: 8080 }],
  },
]);

/** A CIDR identity that this node made for itself: scope 1. */
const localIdentity = (1 << 24) | 7;
for (const family of [4, 6] as const)
  testNode.map("tsi_ipcache").update(
    encode(abi.ipcacheKey, prefixKey(Prefix.parse(`${hop[family]}/${family === 4 ? 32 : 128}`))),
    encode(abi.ipcacheEntry, {
      identity: localIdentity,
      cidrSet: 0,
      tunnelEndpoint: mappedBytes(undefined),
      flags: 0,
      owner: 7,
    }),
  );

function sentOn(family: Family, client: Party, { at, port }: Place) {
  const packet = segment(wire(family, [client, at]), "tcp", { sport: 40000, dport: port });
  const { retval } = runNetns().run(() =>
    noting.program("tsi_from_netdev").testRun({ data: packet.bytes() }),
  );
  const value = noting.map("seen").lookup(new Uint8Array(4)) as Uint8Array;
  const view = new DataView(value.buffer, value.byteOffset);
  return { retval, vni: view.getUint32(0, true), remote: view.getUint32(4, true) };
}

const redirect = 7;
const remote = Number(Address.parse(otherNode[4]).toBigInt());

for (const family of [4, 6] as const)
  for (const [how, place] of Object.entries({ "by SNAT": snat, "by DSR": direct })) {
    const [worldIdentity, remoteNode] = [2, 6];

    test(`IPv${family}, ${how}: the world is the world, at the backend's node`, () => {
      const expected = { retval: redirect, vni: worldIdentity, remote };
      assert.deepEqual(sentOn(family, world, place), expected);
    });

    test(`IPv${family}, ${how}: another node is a remote node`, () => {
      assert.equal(sentOn(family, otherNode, place).vni, remoteNode);
    });

    test(`IPv${family}, ${how}: an identity that means something on this node only travels as world`, () => {
      assert.equal(sentOn(family, hop, place).vni, family === 4 ? 9 : 10);
    });
  }
