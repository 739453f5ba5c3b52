// Prometheus metrics of the operator; names follow Cilium's with the prefix tsilium_operator_.
import { ProcessMetrics } from "@tsilium/runtime";
import { Counter } from "prom-client";
import type { BlockUsage } from "./ipam.ts";
import type { IdentityGcStats } from "./identity-gc/identity-gc.ts";
import type { LbIpamStats } from "./lb-ipam/lb-ipam.ts";
import type { PoolState } from "./lb-ipam/model.ts";
import type { PolicySecretsStats } from "./policy-secrets/policy-secrets.ts";

export type MetricsSources = {
  /** Blocks for nodes, or CIDRs of pools. */
  readonly blocks: () => readonly BlockUsage[];
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
  /** Answers undefined while unused identities are not collected. */
  readonly identities?: () => IdentityGcStats | undefined;
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

  readonly identityRuns = new Counter({
    name: "tsilium_operator_identity_gc_runs_total",
    help: "looks for CiliumIdentities that nobody uses",
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
    const { blocks, nodes, nodesInError, policies, lbIpam, policySecrets } = sources;
    this.gauge(
      "tsilium_operator_identity_gc_entries",
      "CiliumIdentities by what is known of them: marked ones go unless somebody needs them",
      ["status"],
      () =>
        Object.entries(sources.identities?.() ?? {}).map(([status, value]) => ({
          labels: { status },
          value,
        })),
    );
    this.gauge("tsilium_operator_leader", "1: this operator leads; 0: another one does", [], () => [
      { value: 1 },
    ]);
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
    this.gauge(
      "tsilium_operator_ipam_pod_cidrs",
      "pod CIDRs of a pool by state",
      ["pool", "family", "state"],
      () =>
        blocks().flatMap(({ pool, family: number, free, used }) => {
          const family = `ipv${number}`;
          return [
            { labels: { pool, family, state: "free" }, value: free },
            { labels: { pool, family, state: "used" }, value: used },
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
