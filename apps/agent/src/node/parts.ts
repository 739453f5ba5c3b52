// The parts of the agent that need to know their node: address pool, endpoints, datapath, and what keeps them
// true. On a node that an agent has run on before, everything up to serving CNI happens without the API server.
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
import { PodFinder } from "../cni/pods.ts";
import { replayDelete } from "../cni/replay.ts";
import type { CniCommands } from "../cni/service.ts";
import type { AgentConfig } from "../config/keys.ts";
import type { PartHealth } from "@tsilium/runtime";
import type { Health } from "../health.ts";
import { Reidentifier } from "../identity/reidentifier.ts";
import { keepClaims } from "../ipcache/keep-claims.ts";
import { ClaimKeeper } from "../ipcache/keeper.ts";
import type { Logger } from "@tsilium/runtime";
import type { Metrics } from "../metrics.ts";
import { adoptRestored, removePodless, restoreEndpoints } from "../restore.ts";
import { Monitor } from "../rest/monitor.ts";
import type { NodeParts } from "../rest/parts.ts";
import type { Startup } from "../startup.ts";
import type { Watches } from "../watches.ts";
import { poolProblem } from "./health.ts";
import { keepHouse } from "./housekeeping.ts";
import { Kernel } from "./kernel.ts";
import { checkFacts, knowNode } from "./know.ts";
import type { LocalNode } from "./local.ts";
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
  const file = join(config["run-dir"], "state", "node.json");
  const facts = await knowNode({ ...options, file });
  const localAddresses = present(facts.ipv4, facts.ipv6);

  // Who is on it
  startup.step("restoring endpoints");
  const ipam = parts.use(
    new ClusterPool({
      podCidrs: facts.podCidrs,
      onExpired: () => metrics.ipamEvents.inc({ action: "expired" }),
    }),
  );
  for (const router of present(facts.routerIpv4, facts.routerIpv6)) ipam.allocate(router, "router");
  const files = new StateFiles(join(config["run-dir"], "state"));
  const endpoints = new Endpoints(files);
  restoreEndpoints({ files, endpoints, addresses: ipam, identities, log });

  // Which address is whose
  const ipcache = new Ipcache();
  const claims = new ClaimKeeper(ipcache);
  parts.use(
    keepClaims({
      claims,
      facts,
      dualStack: families.length === 2,
      nodes: discovery.table,
      endpoints: endpoints.table,
    }),
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
  parts.use(
    keepHouse({
      config,
      health,
      metrics,
      log,
      stop,
      datapath,
      endpoints: endpoints.table,
      ipam,
      nodes: discovery.table,
      identities: identities.table,
      ipcache: ipcache.table,
      reconcilers: reconcilers.all,
      watches,
    }),
  );

  // What waits for the API server
  let inStep: Omit<PartHealth, "name"> = { state: "degraded", message: "hearing what there is" };
  health.register("cluster", () => inStep);
  const catchUp = async () => {
    await heard;
    await checkFacts(facts, { ...options, file });
    held.use(identities.onSuperseded(({ from }) => reidentifier.supersede(from.id)));
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
    inStep = { state: "ok", message: "in step with the API server" };
    log.info(inStep.message);
  };
  const held = parts.move();
  catchUp().catch((error: Error) => {
    if (stop.aborted) return;
    inStep = { state: "failed", message: error.message };
    log.fatal({ error }, "cannot get in step with the API server");
  });

  return {
    commands,
    routes: {
      endpoints: endpoints.table,
      identities,
      ipcache,
      nodes: discovery.table,
      ipam,
      addresses: facts,
      monitor: new Monitor(datapath),
      barrier: new Barrier(watches, reconcilers.stages()),
    },
    [Symbol.asyncDispose]: () => held[Symbol.asyncDispose](),
  };
}

function present(...addresses: (Address | undefined)[]): Address[] {
  return addresses.filter((address) => address !== undefined);
}
