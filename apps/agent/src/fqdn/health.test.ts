import assert from "node:assert/strict";
import { test } from "node:test";
import { Metrics } from "../metrics.ts";
import { fqdnHealth } from "./health.ts";
import { registerFqdnMetrics } from "./metrics.ts";
import { TestNames, turns } from "./testing/names.ts";

async function busy(names: TestNames): Promise<void> {
  names.engine.setSelectors([{ matchName: "a.test" }]);
  names.answer("a.test", ["203.0.113.1", "127.0.0.1"]);
  names.answer("b.test", ["203.0.113.1"], { client: "10.244.0.2", ttlS: 1 });
  await turns();
  names.connections.add("203.0.113.1");
  names.nowMs += 10_000;
  await names.engine.collect(54_000);
}

test("the status says how many names there are, and what of them is unusual", async () => {
  using names = new TestNames();
  await busy(names);
  assert.deepEqual(fqdnHealth(names.engine.status()), {
    state: "ok",
    message:
      "2 names, 2 addresses; 1 selectors, 2 identities; 1 kept for connections; 1 refused; 1 shared with names that are not allowed",
  });
  names.lookFails = true;
  await names.engine.collect(54_000);
  assert.equal(fqdnHealth(names.engine.status()).state, "degraded");
});

test("names are counted by endpoint, under Cilium's names", async () => {
  using names = new TestNames();
  await busy(names);
  const metrics = new Metrics("test");
  registerFqdnMetrics(metrics, {
    counters: () => names.engine.counters,
    selectors: () => names.engine.selectors.length,
    identities: () => names.placer.identityCount,
    entries: () => names.book.entries(),
    now: () => names.nowMs,
  });
  const page = await metrics.registry.metrics();
  assert.deepEqual(
    page.split("\n").filter((line) => line.startsWith("tsilium_fqdn")),
    [
      'tsilium_fqdn_active_names{endpoint="1"} 1',
      'tsilium_fqdn_active_ips{endpoint="1"} 2',
      'tsilium_fqdn_alive_zombie_connections{endpoint="2"} 1',
      "tsilium_fqdn_selectors 1",
      "tsilium_fqdn_identities 2",
      "tsilium_fqdn_gc_deletions_total 0",
      "tsilium_fqdn_late_answers_total 0",
      "tsilium_fqdn_given_up_connections_total 0",
      'tsilium_fqdn_refused_ips_total{reason="loopback"} 1',
    ],
  );
});
