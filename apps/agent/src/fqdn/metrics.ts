// Metrics of names; Cilium's, and what is refused, late or given up.
import type { NameEntry } from "@tsilium/fqdn/model.ts";
import type { Metrics } from "../metrics.ts";
import type { FqdnCounters } from "./counters.ts";

export type FqdnMetricsOptions = {
  readonly counters: () => Readonly<FqdnCounters>;
  readonly selectors: () => number;
  readonly identities: () => number;
  readonly entries: () => Iterable<NameEntry>;
  /** UNIX milliseconds. */
  readonly now: () => number;
};

export function registerFqdnMetrics(metrics: Metrics, options: FqdnMetricsOptions): void {
  const { counters, selectors, identities, entries, now } = options;
  const perEndpoint = (
    name: string,
    help: string,
    counts: (entry: NameEntry, nowMs: number) => string | undefined,
  ) =>
    metrics.gauge(name, help, ["endpoint"], () => {
      const found = new Map<number, Set<string>>();
      const nowMs = now();
      for (const entry of entries()) {
        const counted = counts(entry, nowMs);
        if (counted === undefined) continue;
        const known = found.get(entry.endpoint) ?? new Set();
        found.set(entry.endpoint, known.add(counted));
      }
      return [...found].map(([endpoint, { size }]) => ({
        labels: { endpoint: String(endpoint) },
        value: size,
      }));
    });
  perEndpoint("tsilium_fqdn_active_names", "names whose time is not over", (entry, nowMs) =>
    entry.expiresMs > nowMs ? entry.name : undefined,
  );
  perEndpoint("tsilium_fqdn_active_ips", "addresses of names whose time is not over", (entry, at) =>
    entry.expiresMs > at ? entry.address : undefined,
  );
  perEndpoint(
    "tsilium_fqdn_alive_zombie_connections",
    "addresses whose names' time is over, kept for connections",
    ({ connected, name, address }) => (connected ? `${name} ${address}` : undefined),
  );
  metrics.gauge("tsilium_fqdn_selectors", "names and patterns in policies", [], () => [
    { value: selectors() },
  ]);
  metrics.gauge("tsilium_fqdn_identities", "identities that names make", [], () => [
    { value: identities() },
  ]);
  const counter = (
    name: string,
    help: string,
    read: (counters: Readonly<FqdnCounters>) => number,
  ) => metrics.counterOf(name, help, [], () => [{ value: read(counters()) }]);
  counter(
    "tsilium_fqdn_gc_deletions_total",
    "names that lost addresses because their time was over",
    ({ deletions }) => deletions,
  );
  counter(
    "tsilium_fqdn_late_answers_total",
    "answers that were passed on before the kernel had their addresses",
    ({ late }) => late,
  );
  counter(
    "tsilium_fqdn_given_up_connections_total",
    "addresses with connections that were given up for want of room",
    ({ givenUp }) => givenUp,
  );
  metrics.counterOf("tsilium_fqdn_refused_ips_total", "addresses refused", ["reason"], () =>
    [...counters().refused].map(([reason, value]) => ({ labels: { reason }, value })),
  );
}
