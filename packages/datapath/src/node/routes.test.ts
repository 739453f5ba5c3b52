import assert from "node:assert/strict";
import { test } from "node:test";
import { Address, Prefix } from "@tsilium/net";
import { localRoutes, remoteRoutes } from "./routes.ts";
import type { DesiredRoute } from "./routes.ts";

const config = {
  routingMode: "tunnel" as "tunnel" | "native",
  autoDirectNodeRoutes: false,
  enableIpv4: true,
  enableIpv6: true,
  nodeIpv4: Address.parse("172.18.0.2"),
  nodeIpv6: Address.parse("fc00:18::2"),
  routerIpv4: Address.parse("10.244.0.1"),
  routerIpv6: Address.parse("fd00:10:244::1"),
  podCidrs: [Prefix.parse("10.244.0.0/24"), Prefix.parse("fd00:10:244::/64")],
  mtu: 1500,
};
const neighbour = {
  name: "node-2",
  ipv4: Address.parse("172.18.0.3"),
  ipv6: Address.parse("fc00:18::3"),
  podCidrs: [Prefix.parse("10.244.1.0/24"), Prefix.parse("fd00:10:244:1::/64")],
};

const asText = (routes: DesiredRoute[]): string[] =>
  routes.map(({ destination, gateway, device, source, mtu }) =>
    [
      destination,
      ...(gateway ? ["via", gateway] : []),
      ...(device ? ["dev", device] : []),
      ...(source ? ["src", source] : []),
      ...(mtu ? ["mtu", mtu] : []),
    ].join(" "),
  );

test("the node's own pods are behind tsi_host, and the host speaks to them with its own address", () => {
  assert.deepEqual(asText(localRoutes(config)), [
    "10.244.0.0/24 via 10.244.0.1 dev tsi_host src 172.18.0.2",
    "fd00:10:244::/64 via fe80::1 dev tsi_host src fc00:18::2",
  ]);
});

test("in tunnel mode other nodes' pods are behind tsi_host too, with room for the encapsulation", () => {
  assert.deepEqual(asText(remoteRoutes(config, neighbour)), [
    "10.244.1.0/24 via 10.244.0.1 dev tsi_host src 10.244.0.1 mtu 1450",
    "fd00:10:244:1::/64 via fe80::1 dev tsi_host src fd00:10:244::1 mtu 1450",
  ]);
});

test("in native routing other nodes' pods are behind their node, if direct routes are wanted", () => {
  const native = { ...config, routingMode: "native" as const };
  assert.deepEqual(asText(remoteRoutes(native, neighbour)), []);
  assert.deepEqual(asText(remoteRoutes({ ...native, autoDirectNodeRoutes: true }, neighbour)), [
    "10.244.1.0/24 via 172.18.0.3",
    "fd00:10:244:1::/64 via fc00:18::3",
  ]);
});

test("a family that is switched off gets no routes", () => {
  assert.deepEqual(asText(localRoutes({ ...config, enableIpv6: false })), [
    "10.244.0.0/24 via 10.244.0.1 dev tsi_host src 172.18.0.2",
  ]);
});

test("a node without an address of the family gets no native route of it", () => {
  const native = { ...config, routingMode: "native" as const, autoDirectNodeRoutes: true };
  assert.deepEqual(asText(remoteRoutes(native, { ...neighbour, ipv6: undefined })), [
    "10.244.1.0/24 via 172.18.0.3",
  ]);
});
