// Gauges over tables and kernel maps, read at each scrape.
import { type Datapath, firstDropCode } from "@tsilium/datapath";
import { endpointStates } from "@tsilium/endpoint";
import type { Endpoint } from "@tsilium/endpoint/model.ts";
import type { Ipam, PoolUsage } from "@tsilium/ipam/model.ts";
import type { Reconciler, Table } from "@tsilium/tables";
import type { Metrics } from "../metrics.ts";
import type { Watches } from "../watches.ts";

export type NodeMetricsOptions = {
  readonly datapath: Pick<Datapath, "metrics">;
  readonly endpoints: Table<Endpoint>;
  readonly ipam: Pick<Ipam, "usage">;
  readonly nodes: { readonly size: number };
  readonly identities: { readonly size: number };
  readonly ipcache: { readonly size: number };
  readonly reconcilers: readonly Pick<Reconciler<never>, "name" | "status">[];
  readonly watches: Watches;
};

/** Registers everything that is read rather than counted. */
export function registerNodeMetrics(metrics: Metrics, options: NodeMetricsOptions): void {
  registerDatapath(metrics, options);
  registerEndpoints(metrics, options);
  const { nodes, identities, ipcache, reconcilers, watches } = options;
  metrics.gauge("tsilium_nodes_all_num", "nodes of the cluster, this one included", [], () => [
    { value: nodes.size },
  ]);
  metrics.gauge("tsilium_identity", "identities this node knows", [], () => [
    { value: identities.size },
  ]);
  metrics.gauge("tsilium_ipcache_entries", "prefixes with an identity", [], () => [
    { value: ipcache.size },
  ]);
  metrics.gauge(
    "tsilium_reconciler_pending",
    "rows not in the kernel or the API server yet",
    ["reconciler"],
    () =>
      reconcilers.map((reconciler) => ({
        labels: { reconciler: reconciler.name },
        value: reconciler.status().pending,
      })),
  );
  metrics.gauge("tsilium_reconciler_failing", "rows whose last write failed", ["reconciler"], () =>
    reconcilers.map((reconciler) => ({
      labels: { reconciler: reconciler.name },
      value: reconciler.status().failing.length,
    })),
  );
  metrics.counterOf(
    "tsilium_kubernetes_events_total",
    "changes received from the API server",
    ["scope"],
    () =>
      [...watches.table.values()].map(({ name, events }) => ({
        labels: { scope: name },
        value: events,
      })),
  );
}

function registerDatapath(metrics: Metrics, { datapath }: NodeMetricsOptions): void {
  // Between the two are packets that were absorbed: counted by the datapath, but neither.
  const isDrop = (reason: number) => reason >= firstDropCode;
  const isForward = (reason: number) => reason === 0;
  const read = (field: "packets" | "bytes", counts: (reason: number) => boolean) => () =>
    datapath.metrics
      .list()
      .filter(({ reason }) => counts(reason))
      .map(({ direction, reasonText, [field]: value }) => ({
        labels: { direction, ...(counts === isDrop ? { reason: reasonText } : {}) },
        value: Number(value),
      }));
  const counters = [
    ["tsilium_drop_count_total", "packets dropped", "packets", isDrop],
    ["tsilium_drop_bytes_total", "bytes dropped", "bytes", isDrop],
    ["tsilium_forward_count_total", "packets forwarded", "packets", isForward],
    ["tsilium_forward_bytes_total", "bytes forwarded", "bytes", isForward],
  ] as const;
  for (const [name, help, field, counts] of counters) {
    const labels = counts === isDrop ? ["reason", "direction"] : ["direction"];
    metrics.counterOf(name, help, labels, read(field, counts));
  }
}

function registerEndpoints(metrics: Metrics, { endpoints, ipam }: NodeMetricsOptions): void {
  metrics.gauge("tsilium_endpoint", "endpoints of this node", [], () => [
    { value: endpoints.size },
  ]);
  metrics.gauge("tsilium_endpoint_state", "endpoints by state", ["endpoint_state"], () => {
    const counts = new Map<string, number>(endpointStates.map((state) => [state, 0]));
    for (const { state } of endpoints.values()) counts.set(state, (counts.get(state) ?? 0) + 1);
    return [...counts].map(([state, value]) => ({ labels: { endpoint_state: state }, value }));
  });
  metrics.gauge("tsilium_ip_addresses", "addresses handed out", ["family"], () =>
    perFamily(ipam, ({ used }) => used),
  );
  metrics.gauge("tsilium_ipam_capacity", "addresses that can be handed out", ["family"], () =>
    perFamily(ipam, ({ used, available }) => used + Number(available)),
  );
}

/** Summed over pools. */
function perFamily(ipam: Pick<Ipam, "usage">, read: (usage: PoolUsage) => number) {
  const sums = new Map<string, number>();
  for (const usage of ipam.usage()) {
    const family = `ipv${usage.family}`;
    sums.set(family, (sums.get(family) ?? 0) + read(usage));
  }
  return [...sums].map(([family, value]) => ({ labels: { family }, value }));
}
