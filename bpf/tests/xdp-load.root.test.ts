// tsi_xdp passes the verifier in every combination that the configuration allows. What that takes is printed, and what a
// frame costs then.
import assert from "node:assert/strict";
import { after, describe, test, type TestContext } from "node:test";
import type { PacketBuilder } from "@tsilium/net";
import type { DatapathConfig } from "../../packages/datapath/src/model.ts";
import { plainServices } from "../../packages/datapath/src/testing/service-config.ts";
import { inner, segment } from "./service-world.ts";
import { toBytes } from "./table.ts";
import { type Family, node as nodeAddress, remotePod, router, standard, world } from "./world.ts";
import { loadXdp, XdpNode } from "./xdp-node.ts";
import { timePerFrame, type Replay } from "./xdp-replay.ts";
import { fromClient, fromOtherNode, lb, populate, tunnelled } from "./xdp-world.ts";

/** Of the million that the kernel allows. */
const budget = 50_000;
const families = [4, 6] as const;

const combinations: DatapathConfig[] = (["tunnel", "native"] as const).flatMap((routingMode) =>
  [4, 6, undefined].flatMap((onlyFamily) =>
    (["none", "opt", "ipip"] as const).map((dsr) => ({
      ...standard,
      routingMode,
      enableIpv4: onlyFamily !== 6,
      enableIpv6: onlyFamily !== 4,
      services: { ...plainServices, nodePort: true, dsr },
    })),
  ),
);

describe("tsi_xdp", () => {
  for (const config of combinations) {
    const { routingMode, enableIpv4, enableIpv6, services } = config;
    const ip = [enableIpv4 && "IPv4", enableIpv6 && "IPv6"].filter(Boolean).join(" and ");
    test(`loads: ${routingMode}, ${ip}, direct answers ${services.dsr}`, (context) => {
      using loaded = loadXdp(config);
      const { verifiedInstructions, jitedLength } = loaded.program("tsi_xdp").info();
      context.diagnostic(`${verifiedInstructions} instructions verified, ${jitedLength} bytes`);
      assert.ok(verifiedInstructions < budget);
    });
  }
});

describe("a frame", () => {
  const native = new XdpNode({ routingMode: "native" });
  const tunnelling = new XdpNode();
  for (const node of [native, tunnelling]) populate(node);
  after(() => [native, tunnelling].forEach((node) => node[Symbol.dispose]()));

  const flow = { sport: 40_000, dport: 80 };
  const request = (family: Family, flags: "SYN" | "ACK") =>
    segment(fromClient(family, [world, lb.pod]), "tcp", { ...flow, flags });
  const answer = { sport: 8080, dport: 40_000, flags: "ACK" } as const;
  const answers = {
    native: (family: Family) =>
      segment(fromOtherNode(family, [remotePod, nodeAddress]), "tcp", answer),
    tunnel: (family: Family) =>
      tunnelled(segment(inner(family, [remotePod, router]), "tcp", answer)),
  };

  for (const [mode, node] of [
    ["native", native],
    ["tunnel", tunnelling],
  ] as const)
    for (const family of families)
      test(`IPv${family}, ${mode}: costs this`, (context) => {
        const cost = costOf(node, context);
        const l4 = family === 4 ? 34 : 54;
        node.tc.reset();
        assert.equal(node.try(request(family, "SYN").bytes()).verdict, "tx");
        cost("request", request(family, "ACK"), { headers: l4 + 20 });
        const outer = mode === "tunnel" ? 50 : 0;
        cost("answer", answers[mode](family), { headers: outer + l4 + 20 });
        cost("first request", request(family, "SYN"), { headers: l4 + 20, portOffset: l4 });
      });
});

/** Prints the better of several runs: the machine is others' too. */
function costOf(node: XdpNode, context: TestContext) {
  return (what: string, packet: PacketBuilder, how: Pick<Replay, "headers" | "portOffset">) => {
    const runs = Array.from({ length: 7 }, () => {
      // No more flows than the tables have room for.
      if (how.portOffset) node.tc.reset();
      const repeat = how.portOffset ? 1500 : 20_000;
      return timePerFrame(node.program, { frame: toBytes(packet), repeat, ...how });
    });
    context.diagnostic(`${what}: ${Math.min(...runs)} ns`);
  };
}
