import assert from "node:assert/strict";
import { test } from "node:test";
import { exampleEndpoint } from "@tsilium/endpoint/testing/endpoint.ts";
import { ownerOf } from "@tsilium/ipcache";
import type { IpcacheClaim } from "@tsilium/ipcache/model.ts";
import type { CiliumEndpoint } from "@tsilium/kube";
import { Address, Prefix } from "@tsilium/net";
import type { Node } from "@tsilium/node/model.ts";
import { apiServerClaim, endpointClaims, nodeClaims, remoteEndpointClaims } from "./claims.ts";
import { ClaimKeeper } from "./keeper.ts";

const show = (claim: IpcacheClaim) =>
  `${claim.prefix} ${claim.identity} via ${claim.hostIp ?? "-"} (${claim.source}, ${claim.owner})`;
const owners = (claims: readonly IpcacheClaim[]) => [...new Set(claims.map(ownerOf))];

const endpoint = exampleEndpoint({
  ipv4: Address.parse("10.244.0.7"),
  ipv6: Address.parse("fd00:10:244::7"),
});
const node: Node = {
  name: "node-2",
  local: false,
  ipv4: Address.parse("172.18.0.3"),
  ipv6: Address.parse("fc00:18::3"),
  routerIpv4: Address.parse("10.244.1.1"),
  routerIpv6: undefined,
  podCidrs: [Prefix.parse("10.244.1.0/24"), Prefix.parse("fd00:10:244:1::/64")],
  labels: {},
};

test("a local pod's addresses are local and behind no node", () => {
  assert.deepEqual(endpointClaims(endpoint).map(show), [
    "10.244.0.7/32 300 via - (local, endpoint/7)",
    "fd00:10:244::7/128 300 via - (local, endpoint/7)",
  ]);
});

test("an address has the pod for an owner, by its UID, on its own node and on others", () => {
  const metadata = {
    name: "cart",
    namespace: "shop",
    uid: "of the CiliumEndpoint",
    ownerReferences: [{ apiVersion: "v1", kind: "Pod", name: "cart", uid: "uid-1" }],
  };
  const networking = { addressing: [{ ipv4: "10.244.0.7" }], node: "172.18.0.3" };
  const object: CiliumEndpoint = { metadata, status: { identity: { id: 300 }, networking } };
  assert.deepEqual(owners(endpointClaims(endpoint)), ["shop/cart/uid-1"]);
  assert.deepEqual(owners(remoteEndpointClaims(object, [])), ["shop/cart/uid-1"]);
  const ownerless = { ...object, metadata: { ...metadata, ownerReferences: [] } };
  assert.deepEqual(owners(remoteEndpointClaims(ownerless, [])), [
    "shop/cart/of the CiliumEndpoint",
  ]);
});

test("a container without a pod owns its address too, whatever its endpoint's number", () => {
  const container = { ...endpoint, podName: "", namespace: "", podUid: "", containerId: "c0ffee" };
  assert.deepEqual(owners(endpointClaims(container)), ["endpoint/7/c0ffee"]);
});

test("a pod that goes away, or has no identity yet, has no address for anybody", () => {
  assert.deepEqual(endpointClaims({ ...endpoint, state: "disconnecting" }), []);
  assert.deepEqual(endpointClaims({ ...endpoint, identity: 0 }), []);
});

test("a remote pod is behind its node", () => {
  const object: CiliumEndpoint = {
    metadata: { name: "cart", namespace: "shop" },
    status: {
      identity: { id: 301 },
      networking: {
        addressing: [{ ipv4: "10.244.1.9", ipv6: "fd00:10:244:1::9" }],
        node: "172.18.0.3",
      },
    },
  };
  assert.deepEqual(remoteEndpointClaims(object, []).map(show), [
    "10.244.1.9/32 301 via 172.18.0.3 (custom-resource, ciliumendpoint/shop/cart)",
    "fd00:10:244:1::9/128 301 via 172.18.0.3 (custom-resource, ciliumendpoint/shop/cart)",
  ]);
  assert.deepEqual(remoteEndpointClaims(object, [Address.parse("172.18.0.3")]), []);
});

test("a CiliumEndpoint that is not filled in, or filled with nonsense, claims nothing", () => {
  const metadata = { name: "cart", namespace: "shop" };
  const networking = { addressing: [{ ipv4: "10.244.1.999" }], node: "172.18.0.3" };
  for (const status of [
    undefined,
    {},
    { identity: { id: 3 } },
    { networking },
    { identity: { id: 0 }, networking },
    { identity: { id: 3 }, networking },
    { identity: { id: 3 }, networking: { ...networking, node: "nowhere" } },
  ]) {
    assert.deepEqual(remoteEndpointClaims({ metadata, ...(status ? { status } : {}) }, []), []);
  }
});

test("another node's own address is reached directly, its router and pods through it", () => {
  assert.deepEqual(nodeClaims(node, 6).map(show), [
    "172.18.0.3/32 6 via - (custom-resource, node/node-2)",
    "fc00:18::3/128 6 via - (custom-resource, node/node-2)",
    "10.244.1.1/32 6 via 172.18.0.3 (custom-resource, node/node-2)",
    "10.244.1.0/24 3 via 172.18.0.3 (generated, node/node-2)",
    "fd00:10:244:1::/64 3 via 172.18.0.3 (generated, node/node-2)",
  ]);
});

test("another node's health endpoint is behind it, and known by its identity; this node's own is an endpoint", () => {
  const checked = {
    ...node,
    podCidrs: [],
    healthIpv4: Address.parse("10.244.1.7"),
    healthIpv6: Address.parse("fd00:10:244:1::7"),
  };
  assert.deepEqual(nodeClaims(checked, 6).slice(3).map(show), [
    "10.244.1.7/32 4 via 172.18.0.3 (custom-resource, node/node-2)",
    "fd00:10:244:1::7/128 4 via 172.18.0.3 (custom-resource, node/node-2)",
  ]);
  assert.equal(nodeClaims({ ...checked, local: true }, 1).length, 3);
});

test("the API server outside the cluster is nobody's but the API server's", () => {
  assert.deepEqual([apiServerClaim(Address.parse("192.0.2.1"), 0x1000007)].map(show), [
    "192.0.2.1/32 16777223 via - (kubernetes, service/default/kubernetes)",
  ]);
});

test("this node's addresses are the host", () => {
  assert.deepEqual(nodeClaims({ ...node, local: true }, 1).map(show), [
    "172.18.0.3/32 1 via - (local, node/node-2)",
    "fc00:18::3/128 1 via - (local, node/node-2)",
    "10.244.1.1/32 1 via - (local, node/node-2)",
  ]);
});

test("what an owner no longer claims is withdrawn, after what it claims now", () => {
  const calls: string[] = [];
  const keeper = new ClaimKeeper({
    claim: (claim) => void calls.push(`claim ${claim.prefix} ${claim.identity}`),
    withdraw: (prefix) => void calls.push(`withdraw ${prefix}`),
  });
  keeper.set("endpoint/7", endpointClaims(endpoint));
  keeper.set("endpoint/7", endpointClaims({ ...endpoint, identity: 301, ipv6: undefined }));
  keeper.set("endpoint/7", []);
  assert.deepEqual(calls, [
    "claim 10.244.0.7/32 300",
    "claim fd00:10:244::7/128 300",
    "claim 10.244.0.7/32 301",
    "withdraw fd00:10:244::7/128",
    "withdraw 10.244.0.7/32",
  ]);
});
