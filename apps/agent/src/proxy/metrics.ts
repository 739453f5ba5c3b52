// Metrics of proxies, with Cilium's names in our prefix.
import type { ProxyRecord } from "@tsilium/proxy/model.ts";
import { Counter, Histogram } from "prom-client";
import type { Metrics } from "../metrics.ts";
import type { SeatReport } from "./model.ts";

const requestType = 1;
const responseType = 2;

const ruleLabels = {
  forwarded: "forwarded",
  audit: "forwarded",
  denied: "denied",
  error: "parse_errors",
} as const;

export type ProxyMetricsOptions = {
  /** What enforces HTTP: "haproxy", "envoy". */
  readonly engine: string;
  readonly reports: () => readonly SeatReport[];
  /** Records that were not handed to Hubble. */
  readonly lost: () => number;
};

export class ProxyMetrics {
  readonly #engine: string;
  readonly #requests: Counter<"rule" | "proxy_type">;
  readonly #replies: Histogram<"error" | "protocol_l7" | "scope">;
  readonly #timeouts: Counter;

  constructor(metrics: Metrics, { engine, reports, lost }: ProxyMetricsOptions) {
    this.#engine = engine;
    const registers = [metrics.registry];
    this.#requests = new Counter({
      name: "tsilium_policy_l7_total",
      help: "requests that proxies judged, by what became of them",
      labelNames: ["rule", "proxy_type"],
      registers,
    });
    this.#replies = new Histogram({
      name: "tsilium_proxy_upstream_reply_seconds",
      help: "time until a server's answer, as the proxy saw it",
      labelNames: ["error", "protocol_l7", "scope"],
      buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
      registers,
    });
    this.#timeouts = new Counter({
      name: "tsilium_proxy_datapath_update_timeout_total",
      help: "answers of DNS that went on before the kernel knew their addresses",
      registers,
    });
    metrics.gauge(
      "tsilium_proxy_redirects",
      "rule sets that are enforced at L7",
      ["protocol"],
      () => redirects(reports()),
    );
    metrics.gauge(
      "tsilium_proxy_restarts",
      "how often proxies were started anew after they ended",
      ["proxy"],
      () => reports().map(({ name, restarts }) => ({ labels: { proxy: name }, value: restarts })),
    );
    metrics.gauge(
      "tsilium_proxy_records_lost",
      "requests that were judged and not told to Hubble",
      [],
      () => [{ labels: {}, value: lost() }],
    );
  }

  note(records: readonly ProxyRecord[]): void {
    for (const { l7, verdict } of records) {
      if (l7.type === requestType) {
        const proxy_type = this.#typeOf(l7.kind);
        this.#requests.inc({ rule: "received", proxy_type });
        this.#requests.inc({ rule: ruleLabels[verdict], proxy_type });
      } else if (l7.type === responseType && l7.latencyNs > 0)
        this.#replies.observe(
          { error: verdict === "error" ? "error" : "", protocol_l7: l7.kind, scope: "totalTime" },
          l7.latencyNs / 1e9,
        );
    }
  }

  /** Answers that did not wait for the kernel any longer. */
  noteLateUpdates(count: number): void {
    this.#timeouts.inc(count);
  }

  #typeOf(kind: ProxyRecord["l7"]["kind"]): string {
    if (kind === "dns") return "fqdn";
    return kind === "kafka" ? "kafka" : this.#engine;
  }
}

function redirects(reports: readonly SeatReport[]) {
  const counts = new Map<string, number>();
  for (const { listeners } of reports)
    for (const { kind } of listeners) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return [...counts].map(([protocol, value]) => ({ labels: { protocol }, value }));
}
