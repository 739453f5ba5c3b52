import assert from "node:assert/strict";
import { test } from "node:test";
import { Address } from "@tsilium/net";
import { chooseDevices, missingDevices } from "./device-choice.ts";

const names = ["lo", "eth0", "eth1", "eth10", "ens5", "tsi_host", "lxc0123456789ab", "lxc_health"];
const links = names.map((name, at) => ({ name, index: at + 1 }));
const nodeAddresses = ["172.18.0.2", "fc00:18::2"].map((text) => Address.parse(text));
const addresses = [
  { device: 1, address: Address.parse("127.0.0.1") },
  { device: 3, address: Address.parse("172.18.0.2") },
  { device: 5, address: Address.parse("fc00:18::2") },
  { device: 2, address: Address.parse("10.9.9.9") },
];

test("devices are those that are named, or that carry the node's addresses", () => {
  for (const [patterns, expected] of [
    ["", "eth1 ens5"],
    ["eth0", "eth0"],
    ["eth0 nothing", "eth0"],
    ["eth+", "eth0 eth1 eth10"],
    ["eth1", "eth1"],
    ["eth+ !eth1", "eth0 eth10"],
    ["eth+ !eth1+", "eth0"],
    ["!eth1", "ens5"],
    ["+", "eth0 eth1 eth10 ens5"],
    ["lo tsi_host lxc+", ""],
    ["nothing", ""],
  ] as const) {
    const wish = { patterns: patterns.split(" ").filter(Boolean), nodeAddresses };
    assert.equal(chooseDevices({ links, addresses }, wish).join(" "), expected, patterns);
  }
});

test("a name without an interface is missed, a pattern is not", () => {
  assert.deepEqual(missingDevices(["eth0", "bond0", "wlan+", "!eth7"], links), ["bond0"]);
});
