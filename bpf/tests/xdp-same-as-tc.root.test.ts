// XDP is an acceleration and nothing else: random frames through it (and through tc where it lets them pass) end as those
// that only tc sees, and leave the same flows, mappings and counts behind.
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { repeat } from "@tsilium/testkit";
import type { DatapathConfig } from "../../packages/datapath/src/model.ts";
import { plainServices } from "../../packages/datapath/src/testing/service-config.ts";
import { describe as describeFrame } from "./node.ts";
import { type Outcome, XdpNode } from "./xdp-node.ts";
import { type Inner, populateAll, RandomFrames, type Sent } from "./xdp-random.ts";
import { stateOf } from "./xdp-state.ts";

const services = { ...plainServices, nodePort: true };
const direct = { ...services, dsr: "opt" } as const;
const configs: Readonly<Record<string, Partial<DatapathConfig>>> = {
  "native routing": { routingMode: "native", services },
  "tunnel mode": { routingMode: "tunnel", services },
  "native routing with direct answers": { routingMode: "native", services: direct },
  "tunnel mode with direct answers": { routingMode: "tunnel", services: direct },
};

for (const [name, config] of Object.entries(configs)) {
  const { routingMode = "native" } = config;
  describe(name, () => {
    const [accelerated, plain] = [new XdpNode(config), new XdpNode(config)];
    for (const node of [accelerated, plain]) populateAll(node);
    after(() => {
      for (const node of [accelerated, plain]) node[Symbol.dispose]();
    });

    test("what XDP does to random frames, tc does", (context) => {
      const [frames, sent] = [
        { requests: 0, answers: 0 },
        { requests: 0, answers: 0 },
      ];
      repeat({ runs: 20 }, (random) => {
        for (const node of [accelerated, plain]) node.tc.reset();
        const source = new RandomFrames(random, routingMode);
        for (let left = 80; left > 0; left--) {
          const next = source.next();
          const isSent = checkFrame(accelerated, plain, next);
          frames[next.kind]++;
          if (isSent) sent[next.kind]++;
        }
        assert.deepEqual(stateOf(accelerated.tc), stateOf(plain.tc));
      });
      context.diagnostic(`of ${JSON.stringify(frames)} XDP sent ${JSON.stringify(sent)}`);
      for (const kind of ["requests", "answers"] as const)
        assert.ok(sent[kind] > frames[kind] / 30, `only ${sent[kind]} of ${frames[kind]} ${kind}`);
    });
  });
}

/** Whether XDP sent the frame itself. */
function checkFrame(accelerated: XdpNode, plain: XdpNode, { bytes, inner }: Sent): boolean {
  const { verdict, packet } = accelerated.try(bytes);
  if (verdict === "pass") {
    assert.deepEqual(byTc(accelerated, { bytes, inner }), byTc(plain, { bytes, inner }));
    return false;
  }
  assert.equal(verdict, "tx", describeFrame(bytes));
  const tc = byTc(plain, { bytes, inner });
  const story = ["came", bytes, "XDP", packet, `tc ${tc.verdict}`, tc.packet]
    .map((part) => (typeof part === "string" ? part : describeFrame(part)))
    .join("\n");
  assert.equal(tc.verdict, "redirect", story);
  const [ours, theirs] = comparable(packet, tc.packet);
  assert.deepEqual(ours, theirs, story);
  return true;
}

/** from_netdev, and of a tunnelled frame from_overlay, as the kernel's device would hand on what is inside. */
function byTc(node: XdpNode, { bytes, inner }: Pick<Sent, "bytes" | "inner">): Outcome {
  const outside = node.byTc(bytes);
  if (inner === undefined) return outside;
  assert.equal(outside.verdict, "ok");
  return byOverlay(node, inner);
}

function byOverlay({ tc }: XdpNode, { bytes, vni, outerSource }: Inner): Outcome {
  const tunnel = { vni, outerSource };
  const { verdict, bytes: packet } = tc.try({ hook: "from_overlay", packet: bytes, tunnel });
  return { verdict, packet };
}

/** Link addresses are the kernel's to write after tc, and so are a tunnel's headers, around what has no padding. */
function comparable(xdp: Uint8Array, tc: Uint8Array): [Uint8Array, Uint8Array] {
  if (xdp.length === tc.length) return [xdp.subarray(12), tc.subarray(12)];
  const outer = xdp[12] === 0x08 ? 50 : 70;
  return [xdp.subarray(outer), tc.subarray(0, 14 + ipLength(tc))];
}

function ipLength(frame: Uint8Array): number {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  return view.getUint16(12) === 0x0800 ? view.getUint16(16) : 40 + view.getUint16(18);
}
