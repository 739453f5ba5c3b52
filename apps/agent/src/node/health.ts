// The health of what runs on this node, part by part.
import type { Datapath } from "@tsilium/datapath";
import type { Endpoint } from "@tsilium/endpoint/model.ts";
import type { ReconcilerStatus, Table } from "@tsilium/tables";
import { type PartHealth, reconcilerHealth } from "@tsilium/runtime";
import type { Health } from "../health.ts";
import type { Sweeper } from "../sweeper.ts";

export type NodeHealthOptions = {
  readonly datapath: Pick<Datapath, "status">;
  readonly endpoints: Table<Endpoint>;
  readonly ipamHealth: () => Omit<PartHealth, "name">;
  readonly sweeper: Sweeper;
  readonly reconcilers: readonly { readonly name: string; status(): ReconcilerStatus }[];
};

export function registerNodeHealth(health: Health, options: NodeHealthOptions): void {
  const { datapath, endpoints, ipamHealth, sweeper, reconcilers } = options;
  health.register("datapath", () =>
    datapath.status().map(({ name, ok, message }) => ({
      name: `datapath ${name}`,
      state: ok ? ("ok" as const) : ("failed" as const),
      message,
    })),
  );
  health.register("endpoints", () => endpointsHealth(endpoints));
  health.register("ipam", ipamHealth);
  health.register("reconcilers", () =>
    reconcilers.map((reconciler) =>
      reconcilerHealth(`reconciler ${reconciler.name}`, reconciler.status()),
    ),
  );
  health.register("conntrack sweeper", () => {
    const { error, intervalMs, reports } = sweeper.status();
    if (error !== undefined) return { state: "degraded", message: error };
    const found = reports.map(
      ({ table, alive, deleted }) => `${table}: ${alive} kept, ${deleted} removed`,
    );
    return {
      state: "ok",
      message: [`every ${Math.round(intervalMs / 1000)} s`, ...found].join("; "),
    };
  });
}

function endpointsHealth(endpoints: Table<Endpoint>): Omit<PartHealth, "name"> {
  const notReady = [...endpoints.values()].filter(
    ({ state }) => state === "not-ready" || state === "invalid",
  );
  if (notReady.length === 0) return { state: "ok", message: `${endpoints.size} endpoints` };
  const ids = notReady.map(({ id }) => id).join(", ");
  return { state: "degraded", message: `not ready: endpoints ${ids}` };
}
