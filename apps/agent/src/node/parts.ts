// The parts of the agent that need to know their node: address pool, endpoints, datapath, and what keeps them
// true. On a node that an agent has run on before, everything up to serving CNI happens without the API server.
import { rmSync } from "node:fs";
import { join } from "node:path";
import { EndpointPublisher, Endpoints, StateFiles } from "@tsilium/endpoint";
import { type IdentityAllocator, labelFilter, podIdentityLabels } from "@tsilium/identity";
import { ClusterPool } from "@tsilium/ipam";
import { Ipcache } from "@tsilium/ipcache";
import type { KubeClient, Namespace, Pod } from "@tsilium/kube";
import type { Address, Family } from "@tsilium/net";
import type { NodeDiscovery, NodePublisher } from "@tsilium/node";
import { Barrier } from "../barrier.ts";
import { EndpointCommands } from "../cni/commands.ts";
import { DeleteQueue } from "../cni/delete-queue.ts";
import { installPlugin } from "../cni/install.ts";
import { PodFinder } from "../cni/pods.ts";
import { replayDelete } from "../cni/replay.ts";
import type { CniCommands } from "../cni/service.ts";
import type { AgentConfig } from "../config/keys.ts";
import type { Health } from "../health.ts";
import { Reidentifier } from "../identity/reidentifier.ts";
import { endpointClaims, nodeClaims } from "../ipcache/claims.ts";
import { ClaimKeeper } from "../ipcache/keeper.ts";
import type { Logger } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import { adoptRestored, removePodless, restoreEndpoints } from "../restore.ts";
import { Monitor } from "../rest/monitor.ts";
import type { NodeParts } from "../rest/routes.ts";
import type { Startup } from "../startup.ts";
import { Sweeper } from "../sweeper.ts";
import type { Watches } from "../watches.ts";
import { loadNodeFacts, type NodeFacts, sameFacts, saveNodeFacts } from "./facts.ts";
import { poolProblem, registerNodeHealth } from "./health.ts";
import { Kernel } from "./kernel.ts";
import { areComplete, type LocalNode } from "./local.ts";
import { registerNodeMetrics } from "./metrics.ts";
import { Reconcilers } from "./reconcilers.ts";
import {
  followCiliumEndpoints,
  followNamespaces,
  followPods,
  namespaceTable,
  podTable,
} from "./watches.ts";

export type NodeOptions = {
  readonly config: AgentConfig;
  readonly nodeName: string;
  readonly families: readonly Family[];
  readonly log: Logger;
  readonly startup: Startup;
  /** Fires when the agent is to stop; ends all watches. */
  readonly stop: AbortSignal;
  readonly health: Health;
  readonly metrics: Metrics;
  readonly client: KubeClient;
  readonly watches: Watches;
  readonly identities: IdentityAllocator;
  readonly discovery: NodeDiscovery;
  readonly publisher: NodePublisher;
  readonly localNode: LocalNode;
};

export type AgentNode = AsyncDisposable & {
  readonly routes: NodeParts;
  readonly commands: CniCommands;
};

/** Resolves when CNI commands can be served. */
export async function startNode(options: NodeOptions): Promise<AgentNode> {
  const { config, nodeName, families, log, startup, stop, health, metrics, client, watches } =
    options;
  const { identities, discovery, publisher, localNode } = options;
  const startedAt = new Date().toISOString();
  await using parts = new AsyncDisposableStack();

  // What the API server tells
  const pods = podTable();
  const namespaces = namespaceTable();
  const heard = Promise.all([
    identities.start(stop),
    discovery.start(stop),
    localNode.start(stop),
    followPods(watches, pods, nodeName, stop),
    followNamespaces(watches, namespaces, stop),
  ]);
  heard.catch(() => undefined);
  publisher.start();

  // What the node is
  startup.step("waiting for this node's Node and, from the operator, its pod CIDRs");
  const factsFile = join(config["run-dir"], "state", "node.json");
  const facts = await knowNode(factsFile, options);
  const localAddresses = [facts.ipv4, facts.ipv6].filter((address) => address !== undefined);

  // Who is on it
  startup.step("restoring endpoints");
  const ipam = parts.use(
    new ClusterPool({
      podCidrs: facts.podCidrs,
      onExpired: () => metrics.ipamEvents.inc({ action: "expired" }),
    }),
  );
  for (const router of routersOf(facts)) ipam.allocate(router, "router");
  const files = new StateFiles(join(config["run-dir"], "state"));
  const endpoints = new Endpoints(files);
  restoreEndpoints({ files, endpoints, addresses: ipam, identities, log });

  // Which address is whose
  const ipcache = new Ipcache();
  const claims = new ClaimKeeper(ipcache);
  const dualStack = families.length === 2;
  claims.set(`node/${nodeName}`, nodeClaims({ ...facts, local: true, labels: {} }, dualStack));
  parts.use(
    discovery.table.subscribe(
      ({ kind, row }) => {
        if (!row.local)
          claims.set(`node/${row.name}`, kind === "delete" ? [] : nodeClaims(row, dualStack));
      },
      { replay: true },
    ),
  );
  parts.use(
    endpoints.table.subscribe(
      ({ kind, row }) => {
        claims.set(`endpoint/${row.id}`, kind === "delete" ? [] : endpointClaims(row));
      },
      { replay: true },
    ),
  );

  // What makes it so
  startup.step("starting the datapath");
  const { datapath, interfaces } = parts.use(await Kernel.start({ config, facts, log }));
  const filter = labelFilter(config.labels);
  const labelsOf = (pod: Pod, namespace: Namespace) =>
    podIdentityLabels({ pod, namespace, clusterName: config["cluster-name"], filter });
  const reidentifier = parts.use(
    new Reidentifier({
      endpoints,
      pods,
      namespaces,
      labelsOf,
      allocate: (labels, signal) => identities.allocate(labels, signal),
      release: (id) => identities.release(id),
      graceMs: config["identity-change-grace-period"],
    }),
  );
  const endpointPublisher = parts.use(
    new EndpointPublisher({
      client,
      endpoints: endpoints.table,
      pods,
      nodeAddress: localAddresses[0] as Address,
    }),
  );
  const reconcilers = parts.use(
    new Reconcilers({
      datapath,
      endpoints,
      ipcache,
      nodes: discovery.table,
      reidentifier,
      publisher: endpointPublisher,
      tunnel: config["routing-mode"] === "tunnel",
      log: log.child({ part: "reconcilers" }),
    }),
  );
  reconcilers.startKernel();

  // What runtimes ask for
  const commands = new EndpointCommands({
    endpoints,
    interfaces,
    pods: new PodFinder({ client, pods, namespaces }),
    labelsOf,
    identities,
    addresses: ipam,
    inKernel: (endpoint, signal) => reconcilers.inKernel(endpoint, signal),
    health: () => health.parts(),
    problem: () => poolProblem(ipam),
    log: log.child({ part: "endpoints" }),
  });
  const remove = (id: number) => commands.remove(id);
  const queue = parts.use(
    new DeleteQueue({
      folder: join(config["run-dir"], "deleteQueue"),
      replay: (body) => replayDelete(commands, body, log),
      log,
    }),
  );
  await queue.drain();
  queue.start();
  await adoptRestored({ endpoints, interfaces, remove, log });
  await reconcilers.endpoints
    .settled(AbortSignal.any([stop, AbortSignal.timeout(10_000)]))
    .catch(() => undefined);

  // What keeps it clean and tells of it
  const sweeper = parts.use(
    new Sweeper({
      tables: [
        { name: "conntrack", sweep: (signal) => datapath.conntrack.sweep(undefined, signal) },
        { name: "nat", sweep: (signal) => datapath.nat.sweep(undefined, signal) },
      ],
      intervalMs: config["conntrack-gc-interval"],
      log,
      onSweep: ({ table, deleted }) => {
        metrics.conntrackSweeps.inc({ table });
        metrics.conntrackSwept.inc({ table }, deleted);
      },
    }),
  );
  sweeper.start();
  registerNodeHealth(health, {
    datapath,
    endpoints: endpoints.table,
    ipam,
    sweeper,
    reconcilers: reconcilers.all,
  });
  registerNodeMetrics(metrics, {
    datapath,
    endpoints: endpoints.table,
    ipam,
    nodes: discovery.table,
    identities: identities.table,
    ipcache: ipcache.table,
    reconcilers: reconcilers.all,
    watches,
  });
  const installed = installPlugin(config, stop);
  health.register("cni", () => installed);

  // What waits for the API server
  const catchUp = async () => {
    await heard;
    await checkFacts(factsFile, facts, options);
    parts_.use(identities.onSuperseded(({ from }) => reidentifier.supersede(from.id)));
    reidentifier.start();
    endpointPublisher.start();
    await followCiliumEndpoints({
      watches,
      claims,
      publisher: endpointPublisher,
      localAddresses,
      signal: stop,
    });
    reconcilers.startCluster();
    await removePodless({ endpoints, pods, remove, before: startedAt, log });
    log.info("in step with the API server");
  };
  const parts_ = parts.move();
  catchUp().catch((error: unknown) => {
    if (!stop.aborted) log.fatal({ error }, "cannot get in step with the API server");
  });

  return {
    commands,
    routes: {
      endpoints: endpoints.table,
      identities,
      ipcache,
      nodes: discovery.table,
      ipam,
      addresses: textsOf(facts),
      monitor: new Monitor(datapath),
      barrier: new Barrier(watches, reconcilers.stages()),
    },
    [Symbol.asyncDispose]: () => parts_[Symbol.asyncDispose](),
  };
}

/** What an earlier agent knew of this node if that still serves, otherwise what the API server says. */
async function knowNode(file: string, options: NodeOptions): Promise<NodeFacts> {
  const { nodeName, families, localNode, stop } = options;
  const saved = loadNodeFacts(file, nodeName);
  if (saved && areComplete(saved, families)) {
    localNode.useRouters(saved);
    return saved;
  }
  const facts = await localNode.learn(stop);
  saveNodeFacts(file, facts);
  return facts;
}

/** A node whose addresses or pod CIDRs are others by now cannot go on as it is: the next start learns them. */
async function checkFacts(
  file: string,
  facts: NodeFacts,
  { localNode, log, stop }: NodeOptions,
): Promise<void> {
  const current = await localNode.learn(stop);
  if (sameFacts(facts, current)) return;
  log.fatal(
    { was: textsOf(facts), is: textsOf(current) },
    "this node's addresses or pod CIDRs have changed: starting anew",
  );
  rmSync(file, { force: true });
  process.exit(1);
}

function routersOf({ routerIpv4, routerIpv6 }: NodeFacts): Address[] {
  return [routerIpv4, routerIpv6].filter((address) => address !== undefined);
}

function textsOf({ ipv4, ipv6 }: NodeFacts): { ipv4?: string; ipv6?: string } {
  return {
    ...(ipv4 ? { ipv4: ipv4.toString() } : {}),
    ...(ipv6 ? { ipv6: ipv6.toString() } : {}),
  };
}
