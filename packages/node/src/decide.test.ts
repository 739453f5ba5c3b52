import assert from "node:assert/strict";
import { test } from "node:test";
import type { CiliumNode, Node as KubeNode } from "@tsilium/kube";
import { Address } from "@tsilium/net";
import { internalAddresses, nodeOf, objectOf, patchOf } from "./decide.ts";
import { NodeError } from "./errors.ts";
import type { LocalNode } from "./model.ts";

const published: CiliumNode = {
  metadata: { name: "node-2", labels: { zone: "a" } },
  spec: {
    addresses: [
      { type: "InternalIP", ip: "172.18.0.3" },
      { type: "InternalIP", ip: "fc00:18::3" },
      { type: "CiliumInternalIP", ip: "10.244.1.1" },
      { type: "CiliumInternalIP", ip: "fd00:10:244:1::1" },
      { type: "ExternalIP", ip: "203.0.113.3" },
    ],
    ipam: { podCIDRs: ["10.244.1.0/24", "fd00:10:244:1::/64"] },
  },
};
const local: LocalNode = {
  name: "node-2",
  ipv4: Address.parse("172.18.0.3"),
  ipv6: Address.parse("fc00:18::3"),
  routerIpv4: Address.parse("10.244.1.1"),
  routerIpv6: Address.parse("fd00:10:244:1::1"),
  labels: { zone: "a" },
  bootId: "boot",
};
const asText = (value: unknown) => JSON.parse(JSON.stringify(value)) as unknown;

test("a CiliumNode says where a node is, and which pods are behind it", () => {
  assert.deepEqual(asText(nodeOf(published, "node-1")), {
    name: "node-2",
    local: false,
    ipv4: "172.18.0.3",
    ipv6: "fc00:18::3",
    routerIpv4: "10.244.1.1",
    routerIpv6: "fd00:10:244:1::1",
    podCidrs: ["10.244.1.0/24", "fd00:10:244:1::/64"],
    labels: { zone: "a" },
  });
  assert.equal(nodeOf(published, "node-2").local, true);
});

test("one field of nonsense hides no node", () => {
  const addresses = [
    { type: "InternalIP", ip: "nowhere" },
    { type: "InternalIP", ip: "172.18.0.3" },
  ];
  const ipam = { podCIDRs: ["10.244.1.7/24", "10.244.2.0/24", ""] };
  assert.deepEqual(
    asText(nodeOf({ metadata: { name: "n" }, spec: { addresses, ipam } }, "other")),
    { name: "n", local: false, ipv4: "172.18.0.3", podCidrs: ["10.244.2.0/24"], labels: {} },
  );
  assert.equal(nodeOf({ metadata: { name: "n" } }, "n").podCidrs.length, 0);
});

test("a node that changes nothing writes nothing", () => {
  const existing = objectOf(local, "uid");
  assert.equal(patchOf(local, "uid", existing), undefined);
});

test("what others wrote into our CiliumNode stays: pod CIDRs, labels, other addresses", () => {
  const patch = patchOf({ ...local, bootId: "boot-2" }, "uid", {
    ...published,
    metadata: { name: "node-2", labels: { zone: "b", theirs: "x" } },
  });
  assert.deepEqual(asText(patch), {
    metadata: {
      labels: { zone: "a", theirs: "x" },
      ownerReferences: [{ apiVersion: "v1", kind: "Node", name: "node-2", uid: "uid" }],
    },
    spec: { addresses: published.spec?.addresses, bootid: "boot-2" },
  });
});

test("routers published before a restart stay until the agent knows its own again", () => {
  const starting = { ...local, routerIpv4: undefined, routerIpv6: undefined, bootId: "boot-2" };
  const patch = patchOf(starting, "uid", published) as CiliumNode;
  assert.deepEqual(
    patch.spec?.addresses?.filter(({ type }) => type === "CiliumInternalIP").map(({ ip }) => ip),
    ["10.244.1.1", "fd00:10:244:1::1"],
  );
});

test("a Node needs an InternalIP of each family that is enabled, and only of those", () => {
  const node: KubeNode = {
    metadata: { name: "node-2" },
    status: {
      addresses: [
        { type: "Hostname", address: "node-2" },
        { type: "ExternalIP", address: "203.0.113.3" },
        { type: "InternalIP", address: "172.18.0.3" },
      ],
    },
  };
  assert.deepEqual(asText(internalAddresses(node, [4])), { ipv4: "172.18.0.3" });
  assert.throws(
    () => internalAddresses(node, [4, 6]),
    (error: unknown) =>
      error instanceof NodeError &&
      error.code === "node_address_missing" &&
      error.message === "Node node-2 has no IPv6 InternalIP",
  );
});

const health = (of: Record<string, string>): CiliumNode => ({
  ...published,
  spec: { ...published.spec, health: of },
});
const healthPatches: readonly [string, LocalNode["health"], CiliumNode, unknown][] = [
  ["not known yet: stays", undefined, health({ ipv4: "10.244.1.9" }), undefined],
  [
    "new",
    { ipv4: Address.parse("10.244.1.9"), ipv6: undefined },
    published,
    { ipv4: "10.244.1.9", ipv6: null },
  ],
  [
    "the same",
    { ipv4: Address.parse("10.244.1.9"), ipv6: undefined },
    health({ ipv4: "10.244.1.9" }),
    "nothing to do",
  ],
  [
    "another, of one family less",
    { ipv4: Address.parse("10.244.1.10"), ipv6: undefined },
    health({ ipv4: "10.244.1.9", ipv6: "fd00:10:244:1::9" }),
    { ipv4: "10.244.1.10", ipv6: null },
  ],
  ["gone", { ipv4: undefined, ipv6: undefined }, health({ ipv4: "10.244.1.9" }), null],
  ["never there", { ipv4: undefined, ipv6: undefined }, published, "nothing to do"],
];
for (const [name, own, existing, wanted] of healthPatches) {
  test(`a health endpoint's addresses in our own object: ${name}`, () => {
    // All else is as it should be.
    const said = objectOf(local, "uid");
    const object = {
      metadata: said.metadata,
      spec: { ...said.spec, ...(existing.spec?.health ? { health: existing.spec.health } : {}) },
    };
    const patch = patchOf({ ...local, health: own }, "uid", object) as CiliumNode | undefined;
    const found = patch === undefined ? "nothing to do" : asText(patch.spec?.health ?? null);
    assert.deepEqual(found, wanted === undefined ? "nothing to do" : wanted);
  });
}

test("another node's health endpoint is read, and nonsense is none", () => {
  const read = (of: Record<string, string>) => {
    const { healthIpv4, healthIpv6 } = nodeOf(health(of), "node-1");
    return [String(healthIpv4), String(healthIpv6)];
  };
  assert.deepEqual(read({ ipv4: "10.244.1.9", ipv6: "fd00::9" }), ["10.244.1.9", "fd00::9"]);
  assert.deepEqual(read({ ipv4: "fd00::9", ipv6: "banana" }), ["undefined", "undefined"]);
  assert.deepEqual(
    objectOf({ ...local, health: { ipv4: Address.parse("10.244.1.9"), ipv6: undefined } }, "uid")
      .spec?.health,
    { ipv4: "10.244.1.9" },
  );
});
