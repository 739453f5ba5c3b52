import assert from "node:assert/strict";
import { test } from "node:test";
import type { ServiceConfig } from "../model.ts";
import { plainServices } from "../testing/service-config.ts";
import { serviceFeatures } from "./service-features.ts";
import type { HookFacts } from "./service-features.ts";

const native = { device: "eth0", mode: "native", problem: undefined } as const;
const refused = { device: "eth1", mode: "native", problem: "EOPNOTSUPP" } as const;

function lines(services: Partial<ServiceConfig>, facts: Partial<HookFacts> = {}): string[] {
  const hooks = { socketProblem: undefined, xdp: [], ...facts };
  return serviceFeatures({ ...plainServices, ...services }, hooks).map(
    ({ name, ok, enabled, message }) =>
      `${name} ${ok ? "ok" : "BAD"} ${enabled ? "on" : "off"}: ${message}`,
  );
}

test("all of it off says so, but for what is always on", () => {
  assert.deepEqual(lines({}), [
    "socket-lb ok off: off",
    "bind-protection ok off: off",
    "packet-lb ok on: packets of pods whose sockets are not balanced",
    "node-port ok off: off",
    "acceleration ok off: off",
    "dsr ok off: off",
    "external-cluster-ip ok off: off",
    "maglev ok on: tables of 251 entries, where a service asks for it",
  ]);
});

test("what is on says how", () => {
  const on: Partial<ServiceConfig> = {
    socketLb: "host",
    bindProtection: true,
    nodePort: true,
    dsr: "opt",
    externalClusterIp: true,
    acceleration: "native",
  };
  const found = lines(on, { xdp: [native] });
  assert.ok(found.includes("socket-lb ok on: the node's own sockets, in /sys/fs/cgroup"));
  assert.ok(found.includes("bind-protection ok on: node ports 30000-32767"));
  assert.ok(found.includes("node-port ok on: packets from outside, node ports 30000-32767"));
  assert.ok(found.includes("acceleration ok on: XDP: eth0 native"));
});

for (const [sentence, services, facts, line] of [
  [
    "sockets that cannot be balanced say why, and what happens instead",
    { socketLb: "all" },
    { socketProblem: "this kernel lacks cgroup v2" },
    "socket-lb BAD off: packets are balanced instead: this kernel lacks cgroup v2",
  ],
  [
    "a device without XDP is a fault when native was asked for",
    { acceleration: "native" },
    { xdp: [native, refused] },
    "acceleration BAD on: XDP: eth0 native, eth1 EOPNOTSUPP",
  ],
  [
    "a device without XDP is none with best-effort, even when it is the only one",
    { acceleration: "best-effort" },
    { xdp: [refused] },
    "acceleration ok off: XDP: eth1 EOPNOTSUPP",
  ],
] as const) {
  test(sentence, () => {
    assert.ok(lines(services, facts).includes(line), lines(services, facts).join("\n"));
  });
}
