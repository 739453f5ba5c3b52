// Starts services on a node: the engine, and what goes with it: policies that redirect, health check node ports, the end of
// sockets whose backends are gone, health and metrics.
import type { Datapath } from "@tsilium/datapath";
import type { Endpoint } from "@tsilium/endpoint/model.ts";
import type { EndpointSlice, Node as KubeNode, Pod, Service } from "@tsilium/kube";
import { ServiceBook } from "@tsilium/loadbalancer";
import type { Node } from "@tsilium/node/model.ts";
import { type Logger, PageServer } from "@tsilium/runtime";
import type { Table } from "@tsilium/tables";
import type { Stage } from "../barrier.ts";
import type { AgentConfig } from "../config/keys.ts";
import { maglevSeed } from "../config/maglev-seed.ts";
import type { Health } from "../health.ts";
import type { Metrics } from "../metrics.ts";
import type { Watches } from "../watches.ts";
import { ServiceEngine } from "./engine.ts";
import { serviceFeatures } from "./features.ts";
import { TableGrowth } from "./growth.ts";
import { HealthCheckPorts } from "./health-check/ports.ts";
import { isProxyHealthy, servicesHealth, type ServicesState } from "./health.ts";
import { proxyHealthPages } from "./healthz.ts";
import { ServiceMetrics } from "./metrics.ts";
import { isEligible } from "./node-facts.ts";
import { OwnAddresses } from "./own-addresses.ts";
import { protectNodePorts } from "./port-range.ts";
import { followRedirects, redirectTable } from "./redirects.ts";
import { loadBalancerSettings } from "./settings.ts";
import { SocketTerminator } from "./socket-terminator.ts";
import { FrontendNames } from "../hubble/feed/frontends.ts";
import { ServiceViews } from "./views.ts";

export type ServicesOptions = {
  readonly config: AgentConfig;
  readonly nodeName: string;
  readonly datapath: Datapath;
  /** Underlay devices, and the node's addresses on them, for people. */
  readonly devices: () => readonly string[];
  readonly watches: Watches;
  readonly services: Table<Service>;
  /** Indexed by "service". */
  readonly slices: Table<EndpointSlice>;
  /** Of this node. */
  readonly pods: Table<Pod>;
  /** Indexed by "pod". */
  readonly endpoints: Table<Endpoint>;
  readonly ownNode: Table<KubeNode>;
  readonly nodes: Table<Node>;
  readonly health: Health;
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly stop: AbortSignal;
};

export type NodeServices = AsyncDisposable & {
  /** Resolves when all that only services look at is known. */
  readonly heard: Promise<void>;
  /** Told once all the tables hold what the API server holds: from now on the kernel follows them. */
  complete(): void;
  readonly stage: Stage;
  readonly views: ServiceViews;
  /** Whose frontends are, by their numbers. */
  readonly frontends: FrontendNames;
  /** Sockets that are to be ended are, before what they were balanced to is forgotten. */
  terminated(): Promise<void>;
};

/** What is in the kernel is taken up, and stays as it is until `complete`. The datapath must be running. */
export async function startServices(options: ServicesOptions): Promise<NodeServices> {
  const { config, datapath, watches, metrics, log, stop } = options;
  await using parts = new AsyncDisposableStack();
  const counters = new ServiceMetrics(metrics);
  const book = new ServiceBook(bookOptions(config, datapath));
  const frontends = new FrontendNames(book);
  const ownAddresses = parts.use(OwnAddresses.follow(log));
  const redirects = redirectTable();
  const heard = Promise.all([
    config["enable-local-redirect-policy"] ? followRedirects(watches, redirects, stop) : undefined,
    forgetGoneBackends(datapath, stop),
  ]).then(() => undefined);
  heard.catch(() => undefined);

  const growth = new TableGrowth({
    usage: () => datapath.services.usage(),
    grow: (mapMax) => {
      if (config["bpf-lb-map-max"] !== 0 || !datapath.growServices(mapMax)) return false;
      book.raiseMaxSets(maxSets(datapath));
      return true;
    },
    log,
  });
  const sockets = parts.use(terminator(options));
  const ports = parts.use(
    new HealthCheckPorts({
      isProxyHealthy: () => isProxyHealthy(engine.status),
      hosts: () => healthCheckHosts(config, ownAddresses),
      log,
    }),
  );
  const engine: ServiceEngine = parts.use(
    new ServiceEngine({
      tables: { ...options, redirects },
      facts: { ...options, name: options.nodeName, ownAddresses: ownAddresses.table },
      settings: loadBalancerSettings(config),
      book,
      kernel: datapath.services,
      grow: (error) => growth.onError(error),
      onApplied: (applied) => {
        counters.note(applied);
        frontends.applied(applied);
        growth.beforehand();
      },
      onServed: (key, service) => {
        if (!config["enable-health-check-nodeport"]) return;
        const { healthCheck } = service ?? {};
        ports.set(key, service && healthCheck && { ...service, healthCheck });
      },
      onBackendsGone: (backends) => {
        if (config["bpf-lb-sock"]) sockets.backendsGone(backends);
      },
      log,
    }),
  );
  if (config["nodeport-addresses"].length > 0)
    parts.use(ownAddresses.table.subscribe(() => ports.relocate()));
  engine.adopt();

  const state = (): ServicesState => ({
    writer: engine.status,
    portProblems: ports.problems(),
    services: options.services.size,
    frontends: book.sizes.frontends,
    backends: book.sizes.backends,
    warnings: engine.warnings.size,
  });
  counters.register({
    services: () => options.services.values(),
    state,
    conflicts: () => book.conflicts().length,
    usage: () => datapath.services.usage(),
    terminatedSockets: () => sockets.counts().terminated,
    healthCheckPorts: () => ports.size,
  });
  registerHealth(options, state);
  await serveProxyHealth(parts, options, engine);
  const held = parts.move();
  return {
    heard,
    complete: () => engine.complete(),
    stage: engine.stage,
    frontends,
    views: new ServiceViews({ book, redirects, warnings: () => engine.warnings }),
    terminated: () => sockets.settled(),
    [Symbol.asyncDispose]: () => held[Symbol.asyncDispose](),
  };
}

function bookOptions(config: AgentConfig, datapath: Datapath) {
  return {
    maglevTableSize: config["bpf-lb-maglev-table-size"],
    maglevSeed: maglevSeed(config["bpf-lb-maglev-hash-seed"]).table,
    maxSets: maxSets(datapath),
  };
}

/** What is remembered of backends that are gone must not be found under a number that is given again. */
async function forgetGoneBackends({ services }: Datapath, signal: AbortSignal): Promise<void> {
  await services.flows.sweep(undefined, signal);
  await services.affinities.sweep(undefined, signal);
  await services.sockets.sweep(signal);
}

/** Entries of tsi_lb_set but the first, which is no set. */
function maxSets(datapath: Datapath): number {
  const sets = datapath.services.usage().find(({ map }) => map === "tsi_lb_set");
  return (sets?.maxEntries ?? 1) - 1;
}

function terminator({ config, datapath, endpoints, log }: ServicesOptions): SocketTerminator {
  const podNamespaces = () =>
    endpoints
      .values()
      .map(({ netns }) => netns)
      .toArray();
  return new SocketTerminator({
    isBalanced: (cookie, address, port) => datapath.services.sockets.has(cookie, address, port),
    podNamespaces: config["bpf-lb-sock-terminate-pod-connections"] ? podNamespaces : undefined,
    allProtocols: config["bpf-lb-sock-terminate-all-protos"],
    log,
  });
}

/** The addresses that node ports are served on; undefined: any. */
function healthCheckHosts(config: AgentConfig, { table }: OwnAddresses): (string | undefined)[] {
  const allowed = config["nodeport-addresses"];
  if (allowed.length === 0) return [undefined];
  return table
    .values()
    .filter((address) => allowed.some((prefix) => prefix.contains(address)))
    .map(String)
    .toArray();
}

function registerHealth(options: ServicesOptions, state: () => ServicesState): void {
  const { config, health, datapath, devices, log } = options;
  health.register("services", () => servicesHealth(state()));
  health.register("service features", () =>
    serviceFeatures({ config, devices: devices(), datapath: datapath.serviceFeatures() }),
  );
  if (!config["enable-node-port"] || !config["enable-auto-protect-node-port-range"]) return;
  try {
    const protection = protectNodePorts(config["node-port-range"]);
    health.register("node port range", () => protection);
  } catch (error) {
    log.warn({ error }, "node ports are not reserved");
    const { message } = error as Error;
    health.register("node port range", () => ({ state: "degraded", message }));
  }
}

/** @throws Error for an address that cannot be had */
async function serveProxyHealth(
  parts: AsyncDisposableStack,
  { config, ownNode, nodeName }: ServicesOptions,
  engine: ServiceEngine,
): Promise<void> {
  const address = config["kube-proxy-replacement-healthz-bind-address"];
  if (address === "") return;
  const pages = proxyHealthPages(() => ({
    isHealthy: isProxyHealthy(engine.status),
    lastUpdatedMs: engine.status.lastUpdatedMs,
    isEligible: isEligible(ownNode.get(nodeName)),
  }));
  await parts.use(new PageServer(pages)).listen(address);
}
