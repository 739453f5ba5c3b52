// Node-to-node health on this node: answers probes, probes the others, and has an endpoint to be probed at.
import {
  HealthProber,
  type HealthStatusView,
  healthStatusView,
  type HealthTarget,
  hello,
  HelloServer,
  isAnswer,
  type NodeHealth,
  ping,
  reachableText,
} from "@tsilium/health";
import type { Address } from "@tsilium/net";
import type { Node } from "@tsilium/node/model.ts";
import type { Logger } from "@tsilium/runtime";
import type { Table } from "@tsilium/tables";
import type { Health } from "../health.ts";
import type { Metrics } from "../metrics.ts";
import { HealthEndpoint, type HealthEndpointOptions } from "./health-endpoint.ts";
import { HealthMetrics } from "./metrics.ts";

export type NodeHealthConfig = {
  readonly ipam: string;
  readonly "run-dir": string;
  readonly "cluster-name": string;
  readonly "enable-health-checking": boolean;
  readonly "enable-endpoint-health-checking": boolean;
  readonly "cluster-health-port": number;
  readonly "health-check-icmp-failure-threshold": number;
  /** Milliseconds. */
  readonly "health-check-interval": number;
};

export type NodeHealthOptions = Pick<
  HealthEndpointOptions,
  "endpoints" | "commands" | "onAddresses"
> & {
  readonly config: NodeHealthConfig;
  readonly nodeName: string;
  /** Underlay addresses of this node: where it answers. */
  readonly addresses: readonly Address[];
  /** Of the cluster, this one included. */
  readonly nodes: Table<Node>;
  readonly health: Health;
  readonly metrics: Metrics;
  readonly log: Logger;
};

/** What is asked about it. */
export type HealthViews = {
  status(): HealthStatusView;
  /** "2/3 reachable", "disabled" */
  summary(): string;
  /** Probes every node now, and answers then. @throws the signal's reason */
  probe(signal: AbortSignal): Promise<HealthStatusView>;
};

export type NodeHealthChecks = AsyncDisposable & {
  readonly views: HealthViews;
  /** Begins. Restored endpoints must have been adopted by then. */
  start(): void;
};

const httpTimeoutMs = 3_000;
const icmpTimeoutMs = 1_000;

/** Makes it; nothing happens before `start`. */
export function makeNodeHealth(options: NodeHealthOptions): NodeHealthChecks {
  const { config, nodeName, addresses, nodes, health, metrics, log } = options;
  const enabled = config["enable-health-checking"];
  const port = config["cluster-health-port"];
  const count = config["health-check-icmp-failure-threshold"];
  const endpoint = new HealthEndpoint({
    ...options,
    runDir: config["run-dir"],
    unwanted: whyNoEndpoint(config),
    port,
  });
  const onProbed = (node: NodeHealth) => {
    measured.observe(node);
    if (!node.local || node.endpoint.length === 0) return;
    // What answers at one of its addresses is there, and a new one would fare no better at the other.
    endpoint.noteReachable(
      node.endpoint.some(({ icmp, http }) => isAnswer(icmp) || isAnswer(http)),
    );
  };
  const prober = new HealthProber({
    probes: {
      icmp: (address, signal) => ping(address, { count, timeoutMs: icmpTimeoutMs, signal }),
      http: (address, signal) => hello(address, { port, timeoutMs: httpTimeoutMs, signal }),
    },
    baseIntervalMs: config["health-check-interval"],
    onProbed,
  });
  const measured = new HealthMetrics(metrics, {
    clusterName: config["cluster-name"],
    nodeName,
    nodes: () => prober.nodes,
  });
  const server = new HelloServer();
  const parts = new AsyncDisposableStack();
  parts.use(server);
  parts.use(endpoint);
  parts.use(prober);
  let listening: Promise<unknown> = Promise.resolve();
  let refused: string | undefined;
  const status = (): HealthStatusView => ({
    ...statusOf(prober, nodeName),
    ...(enabled ? {} : { disabled: true }),
  });

  health.register("cluster health", () => {
    if (!enabled) return { state: "disabled", message: "enable-health-checking is false" };
    if (refused !== undefined) return { state: "degraded", message: refused };
    // Others that are down are no fault of this node's: what it says of itself stays "ok".
    return { state: "ok", message: reachableText(prober.nodes) };
  });
  health.register("health endpoint", () => endpoint.health);

  return {
    views: {
      status,
      summary: () => (enabled ? reachableText(prober.nodes) : "disabled"),
      async probe(signal) {
        await listening;
        await prober.probeAll(signal);
        return status();
      },
    },
    start() {
      endpoint.start();
      if (!enabled) return;
      listening = Promise.all(addresses.map((address) => server.listen(address, port))).catch(
        (error: Error) => {
          refused = `probes cannot be answered: ${error.message}`;
          log.error({ error }, "probes of other nodes cannot be answered");
        },
      );
      parts.use(
        nodes.subscribe(
          ({ kind, row }) => {
            if (kind === "delete") prober.delete(row.name);
            else prober.set(targetOf(row));
          },
          { replay: true },
        ),
      );
    },
    async [Symbol.asyncDispose]() {
      await listening;
      await parts.disposeAsync();
    },
  };
}

function statusOf({ nodes, lastProbedAt, intervalMs }: HealthProber, localName: string) {
  return healthStatusView({ localName, nodes, lastProbedAt, intervalMs });
}

function whyNoEndpoint(config: NodeHealthConfig): string | undefined {
  if (!config["enable-health-checking"]) return "enable-health-checking is false";
  if (!config["enable-endpoint-health-checking"]) return "enable-endpoint-health-checking is false";
  return config.ipam === "delegated-plugin"
    ? "ipam delegated-plugin: plugins give addresses to containers only"
    : undefined;
}

function targetOf({ name, local, ipv4, ipv6, healthIpv4, healthIpv6 }: Node): HealthTarget {
  const present = (...found: (Address | undefined)[]) =>
    found.filter((address) => address !== undefined);
  return { name, local, host: present(ipv4, ipv6), endpoint: present(healthIpv4, healthIpv6) };
}
