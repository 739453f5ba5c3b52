// The datapath's drop counters of a lab, so that a test can say exactly which drops it expects.
import assert from "node:assert/strict";
import type { Lab } from "./harness.ts";
import { exchange } from "./raw-requests.ts";

type MetricsRow = { reason: number; reasonText: string; direction: string; packets: number };

type PrometheusMetric = {
  name: string;
  values: { labels: { reason: string; direction: string }; value: number }[];
};

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

/** A node's drops as its agent tells Prometheus. */
export async function prometheusDrops(lab: Lab, node: string): Promise<Drops> {
  const socket = `/var/run/tsilium/lab/${lab.name}/${node}/tsilium.sock`;
  const request = "GET /v1/metrics HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n\r\n";
  const answer = await exchange(socket, request);
  const metrics = JSON.parse(answer.slice(answer.indexOf("\r\n\r\n"))) as PrometheusMetric[];
  const counter = metrics.find(({ name }) => name === "tsilium_drop_count_total");
  const entries = counter?.values.map(
    ({ labels: { reason, direction }, value }) =>
      [`${node} ${reason} ${direction}`, value] as const,
  );
  return Object.fromEntries(entries ?? []);
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
