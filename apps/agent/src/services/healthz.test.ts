import assert from "node:assert/strict";
import { test } from "node:test";
import { isEligible } from "./node-facts.ts";
import { type ProxyState, proxyHealthPages } from "./healthz.ts";

const well: ProxyState = { isHealthy: true, lastUpdatedMs: 0, isEligible: true };

async function statuses(state: ProxyState) {
  const pages = proxyHealthPages(() => state);
  return [(await pages["/healthz"]?.())?.status, (await pages["/livez"]?.())?.status];
}

test("a node that goes is not healthy and lives on; one that cannot write is neither", async () => {
  assert.deepEqual(await statuses(well), [200, 200]);
  assert.deepEqual(await statuses({ ...well, isEligible: false }), [503, 200]);
  assert.deepEqual(await statuses({ ...well, isHealthy: false }), [503, 503]);
  const page = await proxyHealthPages(() => well)["/healthz"]?.();
  const { currentTime, ...rest } = JSON.parse(page?.body ?? "{}") as Record<string, unknown>;
  assert.deepEqual(rest, { lastUpdated: "1970-01-01T00:00:00.000Z", nodeEligible: true });
  assert.ok(Date.parse(String(currentTime)) > 0);
});

test("a node that is deleted, or that the autoscaler takes away, goes", () => {
  const metadata = { name: "node-1" };
  const taint = (key: string) => ({
    metadata,
    spec: { taints: [{ key, effect: "NoSchedule" as const }] },
  });
  assert.ok(isEligible(undefined));
  assert.ok(isEligible(taint("node.kubernetes.io/unschedulable")));
  assert.ok(!isEligible(taint("ToBeDeletedByClusterAutoscaler")));
  assert.ok(!isEligible({ metadata: { ...metadata, deletionTimestamp: "2026-01-01T00:00:00Z" } }));
});
