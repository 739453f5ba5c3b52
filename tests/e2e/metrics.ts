// The datapath's drop counters of a lab, so that a test can say exactly which drops it expects.
import assert from "node:assert/strict";
import type { Lab } from "./harness.ts";

type MetricsRow = { reason: number; reasonText: string; direction: string; packets: number };

/** Drops by "node reason-text direction" -> packets. */
export type Drops = Record<string, number>;

export async function drops(lab: Lab, nodes: readonly string[]): Promise<Drops> {
  const found: Drops = {};
  for (const node of nodes) {
    const rows = await lab.json<MetricsRow[]>("--node", node, "bpf", "metrics", "list");
    // Reasons below 130 count what was forwarded.
    for (const row of rows.filter(({ reason }) => reason >= 130)) {
      found[`${node} ${row.reasonText} ${row.direction}`] = Number(row.packets);
    }
  }
  return found;
}

/** Fails unless, since `before`, exactly the expected drops happened. */
export async function assertDropsSince(
  lab: Lab,
  nodes: readonly string[],
  before: Drops,
  expected: Drops = {},
): Promise<void> {
  const after = await drops(lab, nodes);
  const since = Object.fromEntries(
    Object.entries(after)
      .map(([key, packets]) => [key, packets - (before[key] ?? 0)] as const)
      .filter(([, packets]) => packets !== 0),
  );
  assert.deepEqual(since, expected);
}
