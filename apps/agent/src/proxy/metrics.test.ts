import assert from "node:assert/strict";
import { test } from "node:test";
import type { ProxyRecord } from "@tsilium/proxy/model.ts";
import { Metrics } from "../metrics.ts";
import { ProxyMetrics } from "./metrics.ts";
import type { SeatReport } from "./model.ts";

function record(
  kind: "http" | "dns" | "kafka",
  verdict: ProxyRecord["verdict"],
  latencyNs?: number,
): ProxyRecord {
  const l7 = { kind, type: latencyNs === undefined ? 1 : 2, latencyNs: latencyNs ?? 0 };
  return { verdict, l7 } as unknown as ProxyRecord;
}

test("requests are counted by what became of them, answers by how long they took", async () => {
  const metrics = new Metrics("1");
  const listeners = [{ kind: "http" }, { kind: "http" }, { kind: "dns" }];
  const counted = new ProxyMetrics(metrics, {
    engine: "haproxy",
    reports: () => [{ name: "engine-egress", restarts: 3, listeners } as unknown as SeatReport],
    lost: () => 7,
  });
  counted.note([
    record("http", "forwarded"),
    record("http", "forwarded", 20_000_000),
    record("http", "audit"),
    record("http", "denied"),
    record("dns", "denied"),
    record("kafka", "error"),
  ]);
  counted.noteLateUpdates(2);
  const text = await metrics.registry.metrics();
  const lines = text.split("\n").filter((line) => !line.startsWith("#"));
  for (const line of [
    'tsilium_policy_l7_total{rule="received",proxy_type="haproxy"} 3',
    'tsilium_policy_l7_total{rule="forwarded",proxy_type="haproxy"} 2',
    'tsilium_policy_l7_total{rule="denied",proxy_type="haproxy"} 1',
    'tsilium_policy_l7_total{rule="denied",proxy_type="fqdn"} 1',
    'tsilium_policy_l7_total{rule="parse_errors",proxy_type="kafka"} 1',
    'tsilium_proxy_redirects{protocol="http"} 2',
    'tsilium_proxy_redirects{protocol="dns"} 1',
    'tsilium_proxy_restarts{proxy="engine-egress"} 3',
    "tsilium_proxy_records_lost 7",
    "tsilium_proxy_datapath_update_timeout_total 2",
    'tsilium_proxy_upstream_reply_seconds_bucket{le="0.025",error="",protocol_l7="http",scope="totalTime"} 1',
  ])
    assert.ok(lines.includes(line), `${line} is not in\n${lines.join("\n")}`);
  assert.ok(
    lines.includes(
      'tsilium_proxy_upstream_reply_seconds_bucket{le="0.01",error="",protocol_l7="http",scope="totalTime"} 0',
    ),
  );
});
