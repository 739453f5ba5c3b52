// Policy for Prometheus. Names are Cilium's where they mean the same.
import type { Endpoint } from "@tsilium/endpoint/model.ts";
import type { Table } from "@tsilium/tables";
import { Counter, Histogram } from "prom-client";
import type { Metrics } from "../metrics.ts";
import type { ClientStatus } from "./client.ts";
import type { StatusReport } from "./model.ts";

/** What gauges are read from. */
export type PolicyReadings = {
  readonly status: () => ClientStatus;
  readonly endpoints: Table<Endpoint>;
};

const buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];

export class PolicyMetrics {
  readonly #metrics: Metrics;
  readonly #delay;
  readonly #duration;
  readonly #rounds;

  constructor(metrics: Metrics) {
    const registers = [metrics.registry];
    this.#metrics = metrics;
    this.#delay = new Histogram({
      name: "tsilium_policy_implementation_delay",
      help: "seconds from hearing of a policy to its being in force",
      labelNames: ["source"],
      buckets,
      registers,
    });
    this.#duration = new Histogram({
      name: "tsilium_policy_regeneration_time_stats_seconds",
      help: "time of a round of the policy worker",
      labelNames: ["scope"],
      buckets,
      registers,
    });
    this.#rounds = new Counter({
      name: "tsilium_policy_regeneration_total",
      help: "rounds of the policy worker; failure: something is not in the kernel",
      labelNames: ["outcome"],
      registers,
    });
  }

  /** Counts what a report tells of. */
  note({ synced, round }: StatusReport, delaysMs: readonly number[]): void {
    for (const ms of delaysMs) this.#delay.observe({ source: "k8s" }, ms / 1000);
    if (!synced || !round) return;
    this.#duration.observe({ scope: "total" }, round.durationMs / 1000);
    this.#duration.observe({ scope: "compile" }, round.compileMs / 1000);
    this.#duration.observe({ scope: "write" }, round.writeMs / 1000);
    this.#rounds.inc({ outcome: round.failed ? "failure" : "success" });
  }

  /** Registers what is read at each scrape. */
  register({ status, endpoints }: PolicyReadings): void {
    const gauge = (name: string, help: string, read: (report: StatusReport) => number) =>
      this.#metrics.gauge(name, help, [], () => {
        const { report } = status();
        return report ? [{ value: read(report) }] : [];
      });
    gauge("tsilium_policy", "policy objects", ({ policies }) => policies);
    gauge("tsilium_policy_max_revision", "revision of policies", ({ revision }) => revision);
    gauge(
      "tsilium_policy_invalid",
      "policy objects that are not valid",
      (report) => report.invalidPolicies,
    );
    gauge(
      "tsilium_policy_slots",
      "policies in the kernel, one per direction and kind of pod",
      ({ slots }) => slots,
    );
    gauge(
      "tsilium_policy_subjects",
      "kinds of pods of this node",
      ({ subjectCount }) => subjectCount,
    );
    gauge(
      "tsilium_policy_not_in_kernel",
      "slots, subjects, identities and addresses that could not be written",
      ({ conditionCount }) => conditionCount,
    );
    this.#metrics.gauge(
      "tsilium_policy_worker_restarts",
      "times the policy worker died",
      [],
      () => [{ value: status().restarts }],
    );
    this.#metrics.readMapPressure(() =>
      (status().report?.usage ?? []).map(({ map, entries, max }) => ({
        map,
        entries,
        maxEntries: max,
      })),
    );
    this.#metrics.gauge(
      "tsilium_policy_endpoint_enforcement_status",
      "endpoints by the directions that policy is enforced in",
      ["enforcement"],
      () => enforcementCounts(endpoints),
    );
  }
}

/** Cilium's words: none, ingress, egress, both, and the same in audit mode. */
function enforcementCounts(endpoints: Table<Endpoint>) {
  const words = ["none", "ingress", "egress", "both"];
  const counts = new Map<string, number>(
    [...words, ...words.slice(1).map((word) => `audit-${word}`)].map((word) => [word, 0]),
  );
  for (const { policy } of endpoints.values()) {
    if (!policy) continue;
    const word = enforcementWord(policy);
    counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  return [...counts].map(([enforcement, value]) => ({ labels: { enforcement }, value }));
}

function enforcementWord({ ingress, egress }: NonNullable<Endpoint["policy"]>): string {
  const isHeld = { ingress: ingress !== "disabled", egress: egress !== "disabled" };
  if (!isHeld.ingress && !isHeld.egress) return "none";
  const word = isHeld.ingress && isHeld.egress ? "both" : isHeld.ingress ? "ingress" : "egress";
  return ingress === "audit" || egress === "audit" ? `audit-${word}` : word;
}
