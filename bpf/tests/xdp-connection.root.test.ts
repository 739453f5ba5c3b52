// TCP connections through tsi_xdp at a device, between stacks that check every sum.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { node as nodeAddress, router } from "./world.ts";
import { Lan } from "./xdp-lan.ts";
import { XdpNode } from "./xdp-node.ts";
import { lb, nodePort, populate } from "./xdp-world.ts";

const families = [4, 6] as const;
const modes = ["native", "generic"] as const;
/** Many segments of the largest size, and an odd one. */
const long = "0123456789".repeat(30_001);

for (const mode of modes) {
  describe(`XDP in ${mode} mode`, () => {
    test("carries connections to a pod and back all by itself, with native routing", async () => {
      using xdp = new XdpNode({ routingMode: "native" });
      populate(xdp);
      await using lan = await Lan.up({ checksumOffload: "off" });
      await lan.meet();
      using _link = lan.attachXdp(xdp.program, mode);
      using _wall = lan.attachWall();
      for (const family of families)
        for (const [host, port] of [
          [lb.pod[family], 80],
          [nodeAddress[family], nodePort],
        ] as const)
          assert.equal(await lan.say(host, port, long), `${seen(nodeAddress[family])} ${long}`);
    });

    for (const underlay of families)
      test(`carries them through the kernel's tunnel over IPv${underlay}`, async () => {
        using xdp = new XdpNode();
        populate(xdp);
        await using lan = await Lan.up({ tunnel: underlay, checksumOffload: "off" });
        await lan.meet();
        using _link = lan.attachXdp(xdp.program, mode);
        using _wall = lan.attachWall();
        const service = underlay === 4 ? lb.pod : lb.podBehindIpv6;
        for (const family of families)
          assert.equal(await lan.say(service[family], 80, long), `${seen(router[family])} ${long}`);
      });

    test("leaves to tc what the kernel does not know yet, and then goes on without", async () => {
      using xdp = new XdpNode({ routingMode: "native" });
      populate(xdp);
      await using lan = await Lan.up({ checksumOffload: "off" });
      using _link = lan.attachXdp(xdp.program, mode);
      const tc = new DisposableStack();
      tc.use(lan.attachTc(xdp.tc.program("from_netdev"), "ingress"));
      tc.use(lan.attachTc(xdp.tc.program("to_netdev"), "egress"));
      const connections = [
        [await lan.connect(lb.pod[4], 80), nodeAddress[4]],
        [await lan.connect(lb.pod[6], 80), nodeAddress[6]],
      ] as const;
      tc.dispose();
      using _wall = lan.attachWall();
      for (const [connection, source] of connections)
        assert.equal(await lan.exchange(connection, long), `${seen(source)} ${long}`);
    });

    test("leaves to tc what senders have not finished", async () => {
      using xdp = new XdpNode({ routingMode: "native" });
      populate(xdp);
      await using lan = await Lan.up({ checksumOffload: "on" });
      using _link = lan.attachXdp(xdp.program, mode);
      using _ingress = lan.attachTc(xdp.tc.program("from_netdev"), "ingress");
      using _egress = lan.attachTc(xdp.tc.program("to_netdev"), "egress");
      for (const family of families)
        assert.equal(
          await lan.say(lb.pod[family], 80, long),
          `${seen(nodeAddress[family])} ${long}`,
        );
    });
  });
}

/** An address as a server for both families sees it. */
function seen(address: string): string {
  return address.includes(":") ? address : `::ffff:${address}`;
}
