import assert from "node:assert/strict";
import { test } from "node:test";
import { keepRouterAdvertisements, sysctlsFor, reservePorts } from "./sysctls.ts";

const asText = (facts: Parameters<typeof sysctlsFor>[0]): string[] =>
  sysctlsFor(facts).map(({ path, value }) => `${path}=${value}`);

test("an IPv4-only node forwards and does not filter by reverse path", () => {
  const settings = asText({
    enableIpv4: true,
    enableIpv6: false,
    ownDevices: ["tsi_host"],
    devices: ["eth0"],
  });
  assert.deepEqual(settings, [
    "net/core/bpf_jit_enable=1",
    "net/ipv4/ip_forward=1",
    "net/ipv4/conf/all/rp_filter=0",
    "net/ipv4/conf/default/rp_filter=0",
    "net/ipv4/conf/tsi_host/rp_filter=0",
    "net/ipv4/conf/eth0/rp_filter=0",
    "net/ipv4/conf/tsi_host/accept_local=1",
  ]);
});

test("our own devices use IPv6 addresses at once, without detection or advertisements", () => {
  const settings = asText({
    enableIpv4: false,
    enableIpv6: true,
    ownDevices: ["tsi_host"],
    devices: ["eth0"],
  });
  assert.deepEqual(settings, [
    "net/core/bpf_jit_enable=1",
    "net/ipv6/conf/all/disable_ipv6=0",
    "net/ipv6/conf/tsi_host/disable_ipv6=0",
    "net/ipv6/conf/tsi_host/accept_ra=0",
    "net/ipv6/conf/tsi_host/accept_dad=0",
    "net/ipv6/conf/all/forwarding=1",
  ]);
});

test("a device that takes router advertisements goes on taking them once forwarding is on", () => {
  const values: Record<string, string> = {
    "net/ipv6/conf/eth0/accept_ra": "1",
    "net/ipv6/conf/eth1/accept_ra": "0",
  };
  const kept = keepRouterAdvertisements(["eth0", "eth1", "gone"], (path) => values[path]);
  assert.deepEqual(kept, [{ path: "net/ipv6/conf/eth0/accept_ra", value: "2" }]);
});

for (const [sentence, range, present, written] of [
  ["added where the kernel would give them out", "30000\t60999", "", "30000-32767"],
  ["added to what is reserved already", "32000\t60999", "53,8000-8100", "53,8000-8100,30000-32767"],
  ["left alone when they are reserved", "30000\t60999", "53,29000-33000", undefined],
  ["left alone when the kernel gives out others", "32768\t60999", "53", undefined],
] as const) {
  test(`node ports are ${sentence}`, () => {
    const values: Record<string, string> = {
      "net/ipv4/ip_local_port_range": range,
      "net/ipv4/ip_local_reserved_ports": present,
    };
    const [sysctl] = reservePorts([30_000, 32_767], (path) => values[path]);
    assert.equal(sysctl?.value, written);
  });
}
