import assert from "node:assert/strict";
import { test } from "node:test";
import { Address } from "@tsilium/net";
import type { HealthTarget, NodeHealth } from "./model.ts";
import { HealthProber, type Probe } from "./prober.ts";
import { healthStatusView } from "./view.ts";

const node = (name: string, host: readonly string[], endpoint: readonly string[] = []) =>
  ({
    name,
    local: false,
    host: host.map((ip) => Address.parse(ip)),
    endpoint: endpoint.map((ip) => Address.parse(ip)),
  }) satisfies HealthTarget;

/** Answers for everybody but those that are named. Counts who is being asked. */
function network(silent: ReadonlySet<string> = new Set()) {
  let asked = 0;
  let most = 0;
  const probe: Probe = async (address) => {
    most = Math.max(most, ++asked);
    await new Promise<void>((resolve) => setImmediate(resolve));
    asked--;
    const at = new Date(0);
    return silent.has(address.toString()) ? { at, problem: "no answer" } : { at, latencyMs: 0.25 };
  };
  return { probes: { icmp: probe, http: probe }, most: () => most };
}

/** Asks of itself only in an hour. */
const baseIntervalMs = 3_600_000;
const never = new AbortController().signal;

test("every address of every node is asked by both protocols, and its answer shown as Cilium does", async () => {
  const { probes } = network(new Set(["fc00:18::3"]));
  const told: NodeHealth[] = [];
  using prober = new HealthProber({ probes, baseIntervalMs, onProbed: (one) => told.push(one) });
  prober.set(node("node-2", ["172.18.0.3", "fc00:18::3"], ["10.244.1.2"]));
  prober.set(node("node-1", ["172.18.0.2"]));
  await prober.probeAll(never);
  assert.deepEqual(told.map(({ name }) => name).toSorted(), ["node-1", "node-2"]);
  const { nodes, local, probeInterval, timestamp } = healthStatusView({
    localName: "node-1",
    nodes: prober.nodes,
    lastProbedAt: prober.lastProbedAt,
    intervalMs: prober.intervalMs,
  });
  assert.deepEqual(local, { name: "node-1" });
  assert.equal(Math.round(probeInterval), Math.round(3600 * Math.log(3)));
  assert.ok(timestamp);
  const lastProbed = "1970-01-01T00:00:00.000Z";
  const ok = { latency: 250_000, status: "", lastProbed };
  const bad = { status: "no answer", lastProbed };
  assert.deepEqual(nodes, [
    { name: "node-1", host: { "primary-address": { ip: "172.18.0.2", icmp: ok, http: ok } } },
    {
      name: "node-2",
      host: {
        "primary-address": { ip: "172.18.0.3", icmp: ok, http: ok },
        "secondary-addresses": [{ ip: "fc00:18::3", icmp: bad, http: bad }],
      },
      "health-endpoint": { "primary-address": { ip: "10.244.1.2", icmp: ok, http: ok } },
    },
  ]);
});

test("many nodes are not asked all at once", async () => {
  const { probes, most } = network();
  using prober = new HealthProber({ probes, baseIntervalMs });
  for (let at = 0; at < 200; at++) prober.set(node(`node-${at}`, [`10.0.${at >> 8}.${at & 255}`]));
  await prober.probeAll(never);
  assert.ok(prober.nodes.every(({ host }) => host[0]?.icmp && host[0]?.http));
  assert.ok(most() <= 32, `${most()} probes at once`);
});

test("what a node answered at an address that it lost meanwhile is not held against it", async () => {
  const probe: Probe = async (address) => {
    assert.equal(address.toString(), "10.0.0.1");
    prober.set(node("node-2", ["10.0.0.2"]));
    return { at: new Date(0), problem: "no answer" };
  };
  using prober = new HealthProber({ probes: { icmp: probe, http: probe }, baseIntervalMs });
  prober.set(node("node-2", ["10.0.0.1"]));
  await prober.probeAll(never);
  assert.deepEqual(prober.nodes[0]?.host, [
    { address: Address.parse("10.0.0.2"), icmp: undefined, http: undefined },
  ]);
});

test("a node that went away is forgotten, also while it is being asked", async () => {
  const { probes } = network();
  using prober = new HealthProber({ probes, baseIntervalMs });
  prober.set(node("node-2", ["10.0.0.1"]));
  const asked = prober.probeAll(never);
  prober.delete("node-2");
  await asked;
  assert.deepEqual(prober.nodes, []);
});

test("a node that gets other addresses while it is being asked is asked there soon, not an interval later", async () => {
  const asked = Promise.withResolvers<void>();
  const probe: Probe = async (address) => {
    if (address.toString() === "10.0.0.2") asked.resolve();
    else prober.set(node("node-2", ["10.0.0.2"]));
    await new Promise<void>((resolve) => setTimeout(resolve, 1));
    return { at: new Date(0), latencyMs: 1 };
  };
  using prober = new HealthProber({ probes: { icmp: probe, http: probe }, baseIntervalMs });
  prober.set(node("node-2", ["10.0.0.1"]));
  // The prober's own timers keep nobody from ending.
  using _awake = keepAwake();
  await asked.promise;
});

function keepAwake(): Disposable {
  const timer = setInterval(() => undefined, 1_000);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
