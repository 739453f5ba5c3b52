import assert from "node:assert/strict";
import { test } from "node:test";
import type { CiliumLoadBalancerIPPool, Service, ServiceSpec } from "@tsilium/kube";
import { labSettings } from "../cluster/settings.ts";
import { labLayout } from "../layout.ts";
import { outsideAddresses, poolPrefixes, reservedPrefixes } from "./addresses.ts";

const layout = labLayout("lab");
const reserved = reservedPrefixes([layout.node(1), layout.node(2)], labSettings);

function ofService(spec: ServiceSpec, ingress: readonly object[] = []): string {
  const service: Service = {
    metadata: { name: "web", namespace: "n" },
    spec,
    status: { loadBalancer: { ingress } },
  };
  return outsideAddresses(service, reserved).join(" ");
}

const blocks = (...list: readonly object[]): string => {
  const pool: CiliumLoadBalancerIPPool = { metadata: { name: "p" }, spec: { blocks: list } };
  return poolPrefixes(pool, reserved).join(" ");
};

test("a load balancer's addresses and external IPs are for the world, each once", () => {
  const ingress = [{ ip: "192.0.2.1" }, { ip: "2001:db8::1" }, { hostname: "lb.example.org" }];
  const externalIPs = ["192.0.2.1", "198.51.100.7"];
  assert.equal(
    ofService({ type: "LoadBalancer", externalIPs }, ingress),
    "192.0.2.1/32 2001:db8::1/128 198.51.100.7/32",
  );
});

test("a service that is no load balancer any more has no ingress, an external name no addresses", () => {
  assert.equal(ofService({ type: "NodePort" }, [{ ip: "192.0.2.1" }]), "");
  assert.equal(ofService({ type: "ExternalName", externalIPs: ["192.0.2.1"] }), "");
});

test("what a proxy in front of the cluster serves does not come to nodes", () => {
  assert.equal(ofService({ type: "LoadBalancer" }, [{ ip: "192.0.2.1", ipMode: "Proxy" }]), "");
});

for (const [whose, address] of [
  ["a pod's", "10.244.1.7"],
  ["a pod's", "fd00:10:244:1::7"],
  ["a cluster IP", "10.96.0.10"],
  ["a node's", "172.18.0.2"],
  ["a node's", "fc00:18::3"],
  ["the world host's", "203.0.113.10"],
  ["the fabric's", "172.18.0.1"],
  ["loopback", "127.0.0.1"],
  ["loopback", "::1"],
  ["link-local", "169.254.169.254"],
  ["multicast", "224.0.0.1"],
  ["IPv4 in IPv6's clothes", "::ffff:10.244.1.7"],
  ["no address", "10.1.1"],
  ["no address", 7 as unknown as string],
] as const) {
  test(`an external IP that is ${whose} is never routed: ${address}`, () => {
    assert.equal(ofService({ externalIPs: [address] }), "");
  });
}

test("an address beside those of nodes and of the world host may be a load balancer's", () => {
  assert.equal(
    ofService({ externalIPs: ["172.18.0.200", "203.0.113.80"] }),
    "172.18.0.200/32 203.0.113.80/32",
  );
});

test("a pool's blocks are routed whole; a range becomes the fewest prefixes that are it", () => {
  assert.equal(blocks({ cidr: "192.0.2.0/28" }), "192.0.2.0/28");
  assert.equal(blocks({ cidr: "2001:db8:1::/112" }), "2001:db8:1::/112");
  assert.equal(blocks({ start: "192.0.2.200" }), "192.0.2.200/32");
  assert.equal(
    blocks({ start: "192.0.2.5", stop: "192.0.2.16" }),
    "192.0.2.5/32 192.0.2.6/31 192.0.2.8/29 192.0.2.16/32",
  );
  assert.equal(blocks({ start: "255.255.255.0", stop: "255.255.255.255" }), "");
  assert.equal(
    blocks({ start: "2001:db8:1::ff", stop: "2001:db8:1::100" }),
    "2001:db8:1::ff/128 2001:db8:1::100/128",
  );
});

test("a block that covers pods, cluster IPs, nodes or everything is not routed", () => {
  for (const cidr of ["10.0.0.0/8", "10.96.0.0/24", "172.18.0.0/24", "0.0.0.0/0", "::/0"])
    assert.equal(blocks({ cidr }), "", cidr);
});

test("blocks that are none are passed over", () => {
  assert.equal(
    blocks(
      { cidr: "nonsense" },
      { start: "192.0.2.9", stop: "192.0.2.1" },
      { start: "::1", stop: "1.1.1.1" },
      {},
    ),
    "",
  );
  assert.equal(
    poolPrefixes(
      { metadata: { name: "p" }, spec: { blocks: "no" as unknown as [] } },
      reserved,
    ).join(),
    "",
  );
});
