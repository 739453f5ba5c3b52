import assert from "node:assert/strict";
import { test } from "node:test";
import { Address, Prefix } from "@tsilium/net";
import { loadTimeConstants } from "./constants.ts";
import { DatapathError } from "../errors.ts";
import type { DatapathConfig } from "../model.ts";
import { plainServices } from "../testing/service-config.ts";

const config: DatapathConfig = {
  enableIpv4: true,
  enableIpv6: true,
  routingMode: "tunnel",
  tunnelPort: 8472,
  devices: ["eth0"],
  nodeIpv4: Address.parse("172.18.0.2"),
  nodeIpv6: undefined,
  routerIpv4: Address.parse("10.244.0.1"),
  routerIpv6: Address.parse("fd00:10:244::1"),
  podCidrs: [],
  enableIpv4Masquerade: true,
  enableIpv6Masquerade: false,
  ipv4NativeRoutingCidr: Prefix.parse("10.244.0.0/18"),
  ipv6NativeRoutingCidr: undefined,
  mtu: 1500,
  natPortRange: [32768, 65535],
  conntrackMax: undefined,
  natMax: undefined,
  autoDirectNodeRoutes: false,
  services: plainServices,
};
const devices = { host: 3, vxlan: 5, netnsCookie: 4026531840n };

const asText = (value: unknown): string =>
  value instanceof Uint8Array ? Buffer.from(value).toString("hex") : String(value);

test("every option arrives under the constant's name", () => {
  const text = Object.entries(loadTimeConstants(config, devices)).map(
    ([name, value]) => `${name} ${asText(value)}`,
  );
  assert.deepEqual(text, [
    "enable_ipv4 true",
    "enable_ipv6 true",
    "routing_mode 0",
    "tunnel_port 8472",
    "tunnel_mtu 1450",
    "node_ipv4 ac120002",
    "node_ipv6 00000000000000000000000000000000",
    "router_ipv4 0af40001",
    "router_ipv6 fd000010024400000000000000000001",
    "enable_ipv4_masquerade true",
    "enable_ipv6_masquerade false",
    "enable_ip_masq_agent false",
    "ipv4_native_routing_cidr 0af40000",
    "ipv4_native_routing_mask ffffc000",
    "ipv6_native_routing_cidr 00000000000000000000000000000000",
    "ipv6_native_routing_mask ffffffffffffffffffffffffffffffff",
    "nat_port_min 32768",
    "nat_port_max 65535",
    "tsi_host_ifindex 3",
    "tsi_vxlan_ifindex 5",
    "enable_l7_proxy false",
    "enable_node_port false",
    "enable_dsr false",
    "enable_dsr_ipip false",
    "enable_external_cluster_ip false",
    "node_port_min 30000",
    "node_port_max 32767",
    "socket_lb_host_only false",
    "host_netns_cookie 4026531840",
    "maglev_size 251",
    "maglev_seed 0",
  ]);
});

test("how much makes events is told in the kernel's terms", () => {
  const events = { verdictsPerSecond: 7, tracesPerSecond: 9, traceFlags: 0x12 };
  for (const [traceIntervalMs, ticks] of [
    [0, 1],
    [1000, 1],
    [5000, 5],
    [3_600_000, 3353],
    [1e9, 65_535],
  ] as const) {
    const constants = loadTimeConstants(
      { ...config, events: { ...events, traceIntervalMs } },
      devices,
    );
    assert.deepEqual(
      ["events_per_second", "traces_per_second", "trace_flags", "trace_interval"].map(
        (name) => constants[name],
      ),
      [7, 9, 0x12, ticks],
    );
  }
});

for (const [sentence, changes, message] of [
  [
    "a node of no family",
    { enableIpv4: false, enableIpv6: false },
    /neither enable-ipv4 nor enable-ipv6/,
  ],
  ["a family without a router address", { routerIpv6: undefined }, /no IPv6 router address/],
  ["an underlay without a device", { devices: [] }, /no device/],
  ["a NAT range that is upside down", { natPortRange: [2, 1] }, /NAT port range 2-1/],
  [
    "a node port range that masquerading takes ports from",
    { services: { ...plainServices, nodePort: true, nodePortRange: [30_000, 40_000] } },
    /node port range 30000-40000 overlaps the NAT port range 32768-65535/,
  ],
  [
    "a node port range that is upside down",
    { services: { ...plainServices, nodePortRange: [2, 1] } },
    /node port range 2-1/,
  ],
  ["an underlay too small for its tunnel", { mtu: 1300 }, /mtu 1300 leaves 1250 bytes/],
] as const) {
  test(`${sentence} is refused with the reason`, () => {
    assert.throws(
      () => loadTimeConstants({ ...config, ...changes }, devices),
      (error) =>
        error instanceof DatapathError &&
        error.code === "bad_config" &&
        message.test(error.message),
    );
  });
}
