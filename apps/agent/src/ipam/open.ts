// Starts handing out addresses in the mode that was chosen, and tells of it: conflicts with other nodes, exhaustion,
// metrics.
import type { Ipam } from "@tsilium/ipam";
import type { Ipcache } from "@tsilium/ipcache";
import type { KubeClient } from "@tsilium/kube";
import type { Address } from "@tsilium/net";
import type { Node } from "@tsilium/node/model.ts";
import type { Logger, PartHealth } from "@tsilium/runtime";
import type { Table } from "@tsilium/tables";
import type { Metrics } from "../metrics.ts";
import type { NodeFacts } from "../node/facts.ts";
import { conflictMessage, Conflicts } from "./conflicts.ts";
import { whyForeign } from "./foreign.ts";
import { Exhaustion } from "./exhaustion.ts";
import { registerIpamMetrics } from "./metrics.ts";
import type { IpamSource } from "./source.ts";

export type OpenOptions = {
  readonly source: IpamSource;
  readonly facts: NodeFacts;
  readonly nodes: Table<Node>;
  readonly ipcache: Pick<Ipcache, "lookup">;
  readonly client: KubeClient;
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly stop: AbortSignal;
};

export type NodeIpam = Disposable & {
  readonly ipam: Ipam;
  readonly poolOf: IpamSource["poolOf"];
  /** Why an address that somebody else handed out cannot be this pod's; undefined: it can. */
  whyForeign(address: Address, owner: string): string | undefined;
  /** Why ADD cannot be served for want of addresses; undefined when it can. */
  addProblem(): string | undefined;
  health(): Omit<PartHealth, "name">;
};

/** The routers have their addresses then; endpoints are yet to be restored. */
export function openIpam(options: OpenOptions): NodeIpam {
  const { source, facts, nodes, ipcache, metrics } = options;
  const conflicts = new Conflicts({
    nodeName: facts.name,
    nodes,
    podElsewhere: (address) => podElsewhere(ipcache, address),
  });
  const exhaustion = new Exhaustion({
    ...options,
    nodeName: facts.name,
    registry: metrics.registry,
  });
  const ipam = source.open(facts, {
    takenElsewhere: (address) => conflicts.takenElsewhere(address),
    onExpired: () => metrics.ipamEvents.inc({ action: "expired" }),
    onExhausted: (exhausted, error) => exhaustion.tell(exhausted, error),
    stop: options.stop,
  });
  const compare = () => conflicts.setOwn(ipam.podCidrs);
  compare();
  const subscription = ipam.onChange(compare);
  // Whatever has become of its range, peers and pods know the router by its address.
  for (const router of [facts.routerIpv4, facts.routerIpv6])
    if (router) ipam.restore(router, "router");
  registerIpamMetrics(metrics, {
    usage: () => ipam.usage(),
    conflicts: () => conflicts.list().length,
  });
  return {
    ipam,
    poolOf: source.poolOf,
    whyForeign: (address, owner) =>
      whyForeign(address, owner, {
        nodes: nodes.values(),
        takenElsewhere: (one) => conflicts.takenElsewhere(one),
      }),
    addProblem: () => {
      const problem = ipam.problem();
      return problem?.blocksAdd ? problem.message : undefined;
    },
    health: () => {
      const problem = ipam.problem()?.message;
      const conflict = conflictMessage(conflicts.list());
      const wrong = [problem, conflict].filter((each) => each !== undefined);
      return wrong.length > 0
        ? { state: "degraded", message: wrong.join("; ") }
        : { state: "ok", message: `${ipam.mode}: ${usageText(ipam)}` };
    },
    [Symbol.dispose]: () => {
      subscription[Symbol.dispose]();
      conflicts[Symbol.dispose]();
      ipam[Symbol.dispose]();
    },
  };
}

/** A range that a node claims is no pod yet; only what a CiliumEndpoint says of another node's counts. */
function podElsewhere(ipcache: Pick<Ipcache, "lookup">, address: Address): string | undefined {
  const row = ipcache.lookup(address);
  if (!row?.prefix.isHost || row.source !== "custom-resource" || !row.hostIp) return undefined;
  return row.podName === undefined ? row.owner : `pod ${row.namespace}/${row.podName}`;
}

function usageText(ipam: Ipam): string {
  const usage = ipam.usage().map(({ pool, family, used, podCidrs }) => {
    const [first] = podCidrs;
    const where =
      podCidrs.length > 4 ? `${first} and ${podCidrs.length - 1} more` : podCidrs.join(", ");
    return `${pool === "default" ? "" : `${pool} `}IPv${family}: ${used} used of ${where || "nothing"}`;
  });
  return usage.join("; ") || "nothing handed out";
}
