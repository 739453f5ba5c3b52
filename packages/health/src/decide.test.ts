import assert from "node:assert/strict";
import { test } from "node:test";
import { Address } from "@tsilium/net";
import {
  carriedOver,
  connectivity,
  nextProbeMs,
  nodeConnectivity,
  probeIntervalMs,
  reachableText,
  sameTarget,
} from "./decide.ts";
import type { HealthTarget, NodeHealth, PathHealth, ProbeResult } from "./model.ts";

const at = new Date(0);
const answer: ProbeResult = { at, latencyMs: 1 };
const silence: ProbeResult = { at, problem: "no answer" };
const path = (ip: string, icmp?: ProbeResult, http?: ProbeResult): PathHealth => ({
  address: Address.parse(ip),
  icmp,
  http,
});
const good = path("172.18.0.3", answer, answer);
const target = (host: readonly string[], endpoint: readonly string[]): HealthTarget => ({
  name: "node-2",
  local: false,
  host: host.map((ip) => Address.parse(ip)),
  endpoint: endpoint.map((ip) => Address.parse(ip)),
});

test("probes become rarer as the cluster grows, but nowhere near as much as it grows", () => {
  const seconds = [0, 1, 2, 10, 100, 1000, 5000].map((nodes) =>
    Math.round(probeIntervalMs(60_000, nodes) / 1000),
  );
  assert.deepEqual(seconds, [42, 42, 66, 144, 277, 415, 511]);
});

test("a node that is new and silent is asked again soon, twice; this node once", () => {
  const next = (local: boolean, host: readonly PathHealth[], intervalMs = 66_000) =>
    [1, 2, 3].map((asked) =>
      nextProbeMs({ name: "n", local, host, endpoint: [] }, asked, intervalMs),
    );
  const silent = [good, path("::1", silence, answer)];
  assert.deepEqual(next(false, [good]), [66_000, 66_000, 66_000]);
  assert.deepEqual(next(false, silent), [5_000, 15_000, 66_000]);
  assert.deepEqual(next(true, silent), [5_000, 66_000, 66_000]);
  assert.deepEqual(next(false, silent, 1_000), [1_000, 1_000, 1_000]);
});

const cases: readonly [string, readonly PathHealth[], string][] = [
  ["both protocols answered", [good], "reachable"],
  ["ICMP alone did not", [path("::1", silence, answer)], "unreachable"],
  ["HTTP alone did not", [path("::1", answer, silence)], "unreachable"],
  ["HTTP was not asked yet", [path("::1", answer)], "unknown"],
  ["one of two addresses did not", [good, path("::1", silence, silence)], "unreachable"],
  ["one of two addresses was not asked", [good, path("::1")], "unknown"],
  ["silence is worse than not knowing", [path("::1"), path("::2", silence)], "unreachable"],
  ["there is nothing to ask", [], "reachable"],
];
for (const [name, paths, wanted] of cases)
  test(`${wanted}: ${name}`, () => assert.equal(connectivity(paths), wanted));

test("a node counts as reachable with its health endpoint, and without one by itself", () => {
  const node: NodeHealth = { name: "node-2", local: false, host: [good], endpoint: [] };
  const silent = { ...node, endpoint: [path("10.244.1.2", silence, answer)] };
  assert.equal(nodeConnectivity(node), "reachable");
  assert.equal(nodeConnectivity(silent), "unreachable");
  assert.equal(reachableText([node, silent]), "1/2 reachable");
});

test("what is known of an address stays when another one changes", () => {
  const before: NodeHealth = {
    name: "node-2",
    local: false,
    host: [good],
    endpoint: [path("10.244.1.2", answer, answer)],
  };
  const after = carriedOver(target(["172.18.0.3"], ["10.244.1.9"]), before);
  assert.equal(after.host[0], good);
  assert.deepEqual(after.endpoint, [path("10.244.1.9")]);
});

test("targets are told apart by their addresses, and by which is whose", () => {
  const one = target(["172.18.0.3"], ["10.244.1.2"]);
  assert.ok(sameTarget(one, target(["172.18.0.3"], ["10.244.1.2"])));
  assert.ok(!sameTarget(one, target(["172.18.0.3"], [])));
  assert.ok(!sameTarget(one, target(["172.18.0.3", "10.244.1.2"], [])));
});
