import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
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

test("links of sockets and XDP are told from devices' and pods', whatever a device is called", () => {
  const root = mkdtempSync(join(tmpdir(), "tsit-pins-"));
  try {
    const pins = new Pins(root);
    pins.create();
    const sockets = [pins.socketLink("connect4"), pins.socketLink("post_bind6")];
    const xdp = [pins.xdpLink("eth0.100", "native"), pins.xdpLink("eth1", "generic")];
    const others = [
      pins.deviceLink("cgroup", "ingress"),
      pins.deviceLink("cgroup_x4", "egress"),
      pins.endpointLink(4),
    ];
    for (const path of [...sockets, ...xdp, ...others]) writeFileSync(path, "");
    assert.deepEqual(pins.listSocketLinks(), sockets);
    assert.deepEqual(pins.listXdpLinks(), xdp);
    assert.deepEqual(pins.listEndpointLinks(), [4]);
  } finally {
    rmSync(root, { recursive: true });
  }
});
