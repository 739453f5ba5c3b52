// Prometheus metrics of the operator; names follow Cilium's with the prefix tsilium_operator_.
import type { Prefix } from "@tsilium/net";
import { ProcessMetrics } from "@tsilium/runtime";
import { Counter } from "prom-client";
import type { LbIpamStats } from "./lb-ipam/lb-ipam.ts";
import type { PoolState } from "./lb-ipam/model.ts";
import type { PolicySecretsStats } from "./policy-secrets/policy-secrets.ts";
import { blocksOf, freeBlocks, type PodCidrPool } from "./pod-cidrs/decide.ts";

export type MetricsSources = {
  readonly pools: readonly PodCidrPool[];
  /** Blocks that nodes have. */
  readonly taken: () => readonly Prefix[];
  readonly nodes: () => number;
  /** Nodes that wait for pod CIDRs they cannot get. */
  readonly nodesInError: () => number;
  /** Policies by kind, and by what their status says of them. */
  readonly policies: () => readonly {
    readonly kind: string;
    readonly counts: Readonly<Record<string, number>>;
  }[];
  /** Undefined while it is switched off. */
  readonly lbIpam?: (() => LbIpamStats) | undefined;
  /** Undefined while it is switched off. */
  readonly policySecrets?: (() => PolicySecretsStats) | undefined;
};

export class Metrics extends ProcessMetrics {
  readonly removed = new Counter({
    name: "tsilium_operator_gc_objects_total",
    help: "objects removed because what they stood for is gone",
    labelNames: ["kind"],
    registers: [this.registry],
  });
  readonly sweeps = new Counter({
    name: "tsilium_operator_endpoint_gc_runs_total",
    help: "sweeps of CiliumEndpoints without a pod",
    labelNames: ["outcome"],
    registers: [this.registry],
  });

  readonly reviews = new Counter({
    name: "tsilium_operator_policy_reviews_total",
    help: "requests to the policy webhook",
    labelNames: ["kind", "outcome"],
    registers: [this.registry],
  });

  constructor(sources: MetricsSources) {
    super();
    const { pools, taken, nodes, nodesInError, policies, lbIpam, policySecrets } = sources;
    this.#addLbIpam(lbIpam ?? (() => ({ services: 0, unsatisfied: 0, pools: [] })));
    this.gauge(
      "tsilium_operator_policies",
      "policies by validity: nothing of an invalid one is enforced",
      ["kind", "state"],
      () =>
        policies().flatMap(({ kind, counts }) =>
          Object.entries(counts).map(([state, value]) => ({ labels: { kind, state }, value })),
        ),
    );
    this.gauge(
      "tsilium_operator_policy_secrets",
      "Secrets that policies name, by what became of their copies",
      ["state"],
      () =>
        Object.entries(policySecrets?.() ?? {}).map(([state, value]) => ({
          labels: { state },
          value,
        })),
    );
    this.gauge("tsilium_operator_ipam_nodes", "CiliumNodes by state", ["state"], () => [
      { labels: { state: "total" }, value: nodes() },
      { labels: { state: "in_error" }, value: nodesInError() },
    ]);
    this.gauge("tsilium_operator_ipam_pod_cidrs", "pod CIDRs by state", ["family", "state"], () =>
      pools.flatMap((pool) => {
        const family = `ipv${pool.family}`;
        const free = freeBlocks(pool, taken());
        return [
          { labels: { family, state: "free" }, value: Number(free) },
          { labels: { family, state: "used" }, value: Number(blocksOf(pool) - free) },
        ];
      }),
    );
  }
  #addLbIpam(stats: () => LbIpamStats): void {
    const perPool = (name: string, help: string, read: (state: PoolState) => bigint) =>
      this.gauge(`tsilium_operator_lbipam_${name}`, help, ["pool"], () =>
        stats().pools.map((state) => ({
          labels: { pool: state.pool.name },
          value: Number(read(state)),
        })),
      );
    const total = (name: string, help: string, read: (stats: LbIpamStats) => number) =>
      this.gauge(`tsilium_operator_lbipam_${name}`, help, [], () => [{ value: read(stats()) }]);
    perPool("ips_available_total", "addresses of a pool that are free", (state) => state.available);
    perPool("ips_used_total", "addresses of a pool that services have", (state) => state.used);
    total(
      "conflicting_pools_total",
      "pools that overlap another and give nothing",
      ({ pools }) => pools.filter(({ conflict }) => conflict !== undefined).length,
    );
    total("services_matching_total", "services that pools serve", ({ services }) => services);
    total(
      "services_unsatisfied_total",
      "services that have not all the addresses they ask for",
      ({ unsatisfied }) => unsatisfied,
    );
  }
}
