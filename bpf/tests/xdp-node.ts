// A test node that has tsi_xdp too, on the same maps, at the devices of xdp-netns.ts.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Collection, loadCollection, parseObject } from "@tsilium/ebpf";
import { projectRoot } from "@tsilium/syscall";
import type { DatapathConfig } from "../../packages/datapath/src/model.ts";
import { plainServices } from "../../packages/datapath/src/testing/service-config.ts";
import { Counters } from "./counters.ts";
import { applyConfig, TestNode } from "./node.ts";
import { standard } from "./world.ts";
import { type Device, devices, xdpNetns } from "./xdp-netns.ts";

/**
 * pass       left to tc, as it came
 * tx         sent back by the device that it came by
 * redirect   sent by another device
 */
export type XdpVerdict = "pass" | "tx" | "redirect";

export type Outcome = { readonly verdict: string; readonly packet: Uint8Array };

const xdpActions = ["aborted", "drop", "pass", "tx", "redirect"];
const tcActions: Readonly<Record<number, string>> = { 0: "ok", 2: "drop", 7: "redirect" };
const xdpMdSize = 24;
const skBuffSize = 192;
const skBuffIfindex = 40;

export class XdpNode implements Disposable {
  readonly tc: TestNode;
  readonly #loaded: Collection;
  readonly #counters: Counters;

  constructor(config: Partial<DatapathConfig> = {}, constants: Record<string, number> = {}) {
    const services = { ...plainServices, nodePort: true };
    const whole = { ...standard, services, ...config };
    this.tc = new TestNode(whole, constants);
    this.#loaded = loadXdp(whole, this.tc, constants);
    this.#counters = new Counters(this.tc.map("tsi_metrics"));
  }

  get program() {
    return this.#loaded.program("tsi_xdp");
  }

  /** A frame at a device's XDP. One that passes must not have been touched, and one that does not must be counted. */
  try(packet: Uint8Array, device: Device = "eth0"): Outcome {
    const before = this.#counters.read();
    const { retval, data } = this.run(packet, device);
    const counted = this.#counters.since(before).join("+");
    const action = xdpActions[retval] ?? `return ${retval}`;
    assert.equal(counted, action === "tx" || action === "redirect" ? "0" : "", "what was counted");
    if (action === "pass") assert.deepEqual(data, packet, "what passes is as it came");
    return { verdict: action, packet: data };
  }

  run(packet: Uint8Array, device: Device = "eth0", repeat = 1) {
    const ctx = new Uint8Array(xdpMdSize);
    // struct xdp_md: data, data_end, data_meta, ingress_ifindex.
    new Uint32Array(ctx.buffer).set([0, packet.length, 0, devices[device]]);
    return xdpNetns().run(() => this.program.testRun({ data: packet, ctx, repeat }));
  }

  /** The same frame at from_netdev, at the same device. */
  byTc(packet: Uint8Array): Outcome {
    const ctx = new Uint8Array(skBuffSize);
    new DataView(ctx.buffer).setUint32(skBuffIfindex, devices.eth0, true);
    const program = this.tc.program("from_netdev");
    const { retval, data } = xdpNetns().run(() => program.testRun({ data: packet, ctx }));
    return { verdict: tcActions[retval] ?? `return ${retval}`, packet: data };
  }

  [Symbol.dispose](): void {
    this.#loaded[Symbol.dispose]();
    this.tc[Symbol.dispose]();
  }
}

/** The shipped object with this configuration, on the maps of a test node or its own. */
export function loadXdp(
  config: DatapathConfig,
  tc?: TestNode,
  constants: Record<string, number> = {},
): Collection {
  const spec = parseObject(readFileSync(join(projectRoot(), "dist/bpf/xdp.o")));
  applyConfig(spec, config, constants);
  return loadCollection(spec, { maps: tc?.maps ?? {}, programs: ["tsi_xdp"] });
}
