import assert from "node:assert/strict";
import { test } from "node:test";
import { Address } from "@tsilium/net";
import { deviceMtu, encapsulationOverhead, mtuProblem, routeMtu } from "./mtu.ts";
import type { MtuFacts } from "./mtu.ts";

const ipv4Node = Address.parse("172.18.0.2");
const facts = (changes: Partial<MtuFacts>): MtuFacts => ({
  mtu: 1500,
  routingMode: "tunnel",
  nodeIpv4: ipv4Node,
  enableIpv6: true,
  ...changes,
});

for (const [sentence, changes, device, overhead, route] of [
  ["VXLAN over IPv4 costs 50 bytes", {}, 1500, 50, 1450],
  ["VXLAN over IPv6 costs 70 bytes", { nodeIpv4: undefined }, 1500, 70, 1430],
  ["native routing costs nothing", { routingMode: "native" }, 1500, 0, 1500],
  ["a jumbo underlay gives jumbo pods", { mtu: 9000 }, 9000, 50, 8950],
] as const) {
  test(sentence, () => {
    assert.equal(deviceMtu(facts(changes)), device);
    assert.equal(encapsulationOverhead(facts(changes)), overhead);
    assert.equal(routeMtu(facts(changes)), route);
  });
}

test("an underlay too small for IPv6 once encapsulated is named with its numbers", () => {
  assert.equal(mtuProblem(facts({ mtu: 1330 })), undefined);
  assert.equal(
    mtuProblem(facts({ mtu: 1329 })),
    "mtu 1329 leaves 1279 bytes after 50 of encapsulation; at least 1280 are needed",
  );
  assert.equal(mtuProblem(facts({ mtu: 1329, enableIpv6: false })), undefined);
});
