import assert from "node:assert/strict";
import { test } from "node:test";
import { Pins, parseMapPin } from "./pins.ts";

test("a map's pin carries its layout hash and reads back", () => {
  const pins = new Pins("/sys/fs/bpf/tsilium");
  assert.equal(pins.map("tsi_ct4", "0a1b2c3d"), "/sys/fs/bpf/tsilium/maps/tsi_ct4_0a1b2c3d");
  assert.deepEqual(parseMapPin("tsi_ct4_0a1b2c3d"), { map: "tsi_ct4", layoutHash: "0a1b2c3d" });
  assert.equal(parseMapPin("tsi_ct4"), undefined);
  assert.equal(parseMapPin("tsi_ep_addr"), undefined);
});

test("a device's name is made fit for bpffs, which allows no dots", () => {
  const pins = new Pins("/bpf");
  assert.equal(pins.deviceLink("eth0.100", "egress"), "/bpf/links/eth0%100_egress");
  assert.equal(pins.endpointLink(42), "/bpf/links/lxc_42");
});

test("a root where nothing was pinned lists nothing", () => {
  const pins = new Pins("/nonexistent/tsilium");
  assert.deepEqual(pins.listMaps(), []);
  assert.deepEqual(pins.listLinks(), []);
});
