// The parts of the agent that need to know their node: address pool, endpoints, datapath, and what keeps them
// true. On a node that an agent has run on before, everything up to serving CNI happens without the API server.
import { join } from "node:path";
import { EndpointPublisher, Endpoints, StateFiles } from "@tsilium/endpoint";
import {
  type IdentityAllocator,
  labelFilter,
  LocalIdentities,
  podIdentityLabels,
} from "@tsilium/identity";
import { Ipcache } from "@tsilium/ipcache";
import type { KubeClient, Namespace, Pod } from "@tsilium/kube";
import type { Address, Family } from "@tsilium/net";
import { Rtnl } from "@tsilium/netlink";
import type { NodeDiscovery, NodePublisher } from "@tsilium/node";
import { ownNetnsCookie } from "@tsilium/syscall";
import { Barrier } from "../barrier.ts";
import { EndpointCommands, type EndpointCommandsOptions } from "../cni/commands.ts";
import { DeleteQueue } from "../cni/delete-queue.ts";
import { PodFinder } from "../cni/pods.ts";
import { replayDelete } from "../cni/replay.ts";
import type { CniCommands } from "../cni/service.ts";
import type { AgentConfig } from "../config/keys.ts";
import type { PartHealth } from "@tsilium/runtime";
import { startFqdn } from "../fqdn/start.ts";
import type { Health } from "../health.ts";
import { settleHeapIn } from "../heap.ts";
import { healthIdentities } from "../health-endpoint/health-endpoint.ts";
import { makeNodeHealth } from "../health-endpoint/start.ts";
import { Reidentifier } from "../identity/reidentifier.ts";
import { openIpam } from "../ipam/open.ts";
import { PodRoutes } from "../ipam/pod-routes.ts";
import type { IpamSource } from "../ipam/source.ts";
import { ApiServerAddresses } from "../ipcache/api-server.ts";
import { keepEndpointClaims } from "../ipcache/endpoint-claims.ts";
import { ClaimKeeper } from "../ipcache/keeper.ts";
import { NodeClaims } from "../ipcache/node-claims.ts";
import type { Logger } from "@tsilium/runtime";
import { startExemptions } from "../masquerade/start.ts";
import type { Metrics } from "../metrics.ts";
import { keepLocalPorts, NamedPorts, PolicyInputs } from "../policy/inputs/index.ts";
import { policySettings } from "../policy/settings.ts";
import { type NodePolicy, startPolicy } from "../policy/start.ts";
import { policyState } from "../policy/state.ts";
import { adoptRestored, removePodless, restoreEndpoints } from "../restore.ts";
import { Monitor } from "../rest/monitor.ts";
import type { NodeParts } from "../rest/parts.ts";
import { RuleNames } from "../rest/rule-names.ts";
import { makeHubble } from "../hubble/start.ts";
import { PolicySecrets } from "../proxy/secrets.ts";
import { startProxies } from "../proxy/start.ts";
import { findCgroupRoot } from "../services/datapath-config.ts";
import { startServices } from "../services/start.ts";
import type { Startup } from "../startup.ts";
import type { Watches } from "../watches.ts";
import { keepHouse } from "./housekeeping.ts";
import { Kernel } from "./kernel.ts";
import { checkFacts, knowNode } from "./know.ts";
import type { LocalNode } from "./local.ts";
import { Reconcilers } from "./reconcilers.ts";
import { Unmasqueraded } from "./unmasqueraded.ts";
import {
  endpointSliceTable,
  followCiliumEndpoints,
  followNamespaces,
  followNodeLabels,
  followPods,
  followServices,
  namespaceTable,
  nodeLabelTable,
  podTable,
  serviceTable,
} from "./watches.ts";

export type NodeOptions = {
  /** Of the agent. */
  readonly version: string;
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
  readonly ipamSource: IpamSource;
};

export type AgentNode = AsyncDisposable & {
  readonly routes: NodeParts;
  readonly commands: CniCommands;
  /** Starts what nobody waits for: pods have the processor first. */
  readonly startHubble: () => void;
};

/** From being in step until memory is given back: after the workers, which begin earlier. */
const settleHeapMs = 6_000;

/** Resolves when CNI commands can be served. */
export async function startNode(options: NodeOptions): Promise<AgentNode> {
  const { config, version, nodeName, families, log, startup, stop, health, metrics } = options;
  const { client, watches } = options;
  const { identities, discovery, publisher, localNode, ipamSource } = options;
  const startedAt = new Date().toISOString();
  await using parts = new AsyncDisposableStack();

  // What the API server tells
  const pods = podTable();
  const namespaces = namespaceTable();
  const services = serviceTable();
  const slices = endpointSliceTable();
  const nodeLabels = config["enable-node-selector-labels"] ? nodeLabelTable() : undefined;
  const heard = Promise.all([
    identities.start(stop),
    discovery.start(stop),
    localNode.start(stop),
    followPods(watches, pods, nodeName, stop),
    followNamespaces(watches, namespaces, stop),
    followServices(watches, { services, slices }, stop),
    nodeLabels && followNodeLabels(watches, nodeLabels, stop),
  ]);
  heard.catch(() => undefined);
  publisher.start();

  // What the node is
  startup.step(`waiting for ${ipamSource.awaited}`);
  const file = join(config["run-dir"], "state", "node.json");
  const facts = await knowNode({ ...options, file });
  const localAddresses = present(facts.ipv4, facts.ipv6);

  // Who is on it
  startup.step("restoring endpoints");
  const ipcache = new Ipcache();
  const { ipam, poolOf, ...ipamState } = parts.use(
    openIpam({
      source: ipamSource,
      facts,
      nodes: discovery.table,
      ipcache,
      client,
      metrics,
      log: log.child({ part: "ipam" }),
      stop,
    }),
  );
  const files = new StateFiles(join(config["run-dir"], "state"));
  const endpoints = new Endpoints(files);
  restoreEndpoints({ files, endpoints, addresses: ipam, identities, log });

  // Which address is whose
  const claims = new ClaimKeeper(ipcache);
  const apiServer = parts.use(new ApiServerAddresses(slices));
  const localIdentities = new LocalIdentities(identities.table);
  const nodeClaims = parts.use(
    new NodeClaims({
      claims,
      facts,
      dualStack: families.length === 2,
      nodes: discovery.table,
      apiServer: apiServer.table,
      nodeLabels,
      identities: identities.table,
      localIdentities,
      heard,
    }),
  );
  nodeClaims.start();
  parts.use(keepEndpointClaims(claims, endpoints.table));

  // What policy is made of
  const namedPorts = new NamedPorts();
  parts.use(keepLocalPorts({ namedPorts, endpoints: endpoints.table, pods }));
  const policyInputs = parts.use(
    new PolicyInputs({
      watches,
      kinds: {
        networkPolicies: config["enable-k8s-networkpolicy"],
        clusterNetworkPolicies: config["enable-k8s-cluster-network-policy"],
      },
      identities: identities.table,
      namedPorts,
      ipcache: ipcache.table,
      services,
      slices,
    }),
  );
  const policies = policyInputs.start(stop);
  policies.catch(() => undefined);

  // What makes it so
  startup.step("starting the datapath");
  const podRanges = ipamSource.podRanges?.();
  const { datapath, interfaces, devices } = parts.use(
    await Kernel.start({
      config,
      facts,
      moreDevices: ipamSource.devices?.() ?? [],
      podRanges,
      log,
    }),
  );
  health.register("devices", () => devices.health());
  const unmasqueraded = new Unmasqueraded(datapath.masquerade, podRanges ?? []);
  ipamSource.onDatapath?.({
    useDevices: (names) => devices.useMore(names),
    usePodRanges: (ranges) => unmasqueraded.setPodRanges(ranges),
  });
  parts.use(
    startExemptions({
      config,
      table: unmasqueraded,
      health,
      log: log.child({ part: "ip-masq-agent" }),
    }),
  );
  const routing = parts.use(Rtnl.open());
  parts.use(new PodRoutes({ rtnl: routing, facts, endpoints: endpoints.table, log }));
  const loadBalancing = parts.use(
    await startServices({
      config,
      nodeName,
      datapath,
      devices: () => [[...datapath.devices, ...localAddresses].join(" ")],
      watches,
      services,
      slices,
      pods,
      endpoints: endpoints.table,
      ownNode: localNode.table,
      nodes: discovery.table,
      health,
      metrics,
      log: log.child({ part: "services" }),
      stop,
    }),
  );
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
  // What is seen of it. Stopped after policy, whose news it takes.
  const hubble = parts.use(
    makeHubble({
      config,
      version,
      datapath,
      tables: {
        self: {
          nodeName,
          clusterName: config["cluster-name"],
          netnsCookie: ownNetnsCookie(),
          dualStack: families.length === 2,
        },
        ownNode: localNode.table,
        devices: nodeDevices,
        onDevices: (listener) => devices.onChange(listener),
        nodes: discovery.table,
        identities: identities.table,
        ipcache: ipcache.table,
        endpoints: endpoints.table,
        pods,
        frontends: loadBalancing.frontends,
      },
      policy: {
        rules: (numbers) => policy.client.ask({ kind: "rules", numbers }),
        objects: () => policy.client.ask({ kind: "objects" }),
      },
      health,
      metrics,
      log: log.child({ part: "hubble" }),
    }),
  );
  const secrets = parts.use(
    new PolicySecrets({
      client,
      namespace: config["policy-secrets-namespace"],
      onlyFromNamespace: config["policy-secrets-only-from-secrets-namespace"],
      log: log.child({ part: "secrets" }),
    }),
  );
  // What enforces it at L7. Told what to enforce by policy, so nothing is heard of it before there is one.
  const proxies = parts.use(
    startProxies({
      config,
      cgroupRoot: config["cgroup-root"] || findCgroupRoot(),
      datapath,
      endpoints: endpoints.table,
      nodeName,
      version,
      secrets,
      hubble,
      onAcknowledged: (acks) => policy.client.acknowledge(acks),
      onResolved: (answers, release) => fqdn.resolved(answers, release),
      health,
      metrics,
      log: log.child({ part: "proxy" }),
    }),
  );
  const policy: NodePolicy = parts.use(
    startPolicy({
      config,
      datapath,
      inputs: policyInputs,
      endpoints,
      pods,
      namespaces,
      health,
      metrics,
      onNews: (news) => hubble.policyNews(news),
      proxies,
      onFqdnSelectors: (selectors) => fqdn.setSelectors(selectors),
      log: log.child({ part: "policy" }),
    }),
  );
  // Names that policies allow. Claims what an earlier agent knew before policy takes away what nobody claims.
  const fqdn = parts.use(
    startFqdn({
      config,
      families,
      datapath,
      endpoints: endpoints.table,
      ipcache,
      localIdentities,
      podCidrs: () => ipam.podCidrs,
      apiServer: apiServer.table,
      services,
      policy: policy.client,
      onCleaned: () => proxies.forgetNames(),
      health,
      metrics,
      log: log.child({ part: "fqdn" }),
    }),
  );
  const reconcilers = parts.use(
    new Reconcilers({
      datapath,
      endpoints,
      nodes: discovery.table,
      reidentifier,
      publisher: endpointPublisher,
      policy,
      services: loadBalancing.stage,
      log: log.child({ part: "reconcilers" }),
    }),
  );
  reconcilers.startKernel();

  // What runtimes ask for
  const commandOptions: EndpointCommandsOptions = {
    endpoints,
    interfaces,
    pods: new PodFinder({ client, pods, namespaces }),
    labelsOf,
    identities,
    addresses: ipam,
    families,
    chainingMode: config["cni-chaining-mode"],
    poolOf,
    whyForeign: (address, owner) => ipamState.whyForeign(address, owner),
    inKernel: (endpoint, signal) => reconcilers.inKernel(endpoint, signal),
    policy: policy.endpoints,
    health: () => health.parts(),
    problem: () => ipamState.addProblem(),
    log: log.child({ part: "endpoints" }),
  };
  const commands = new EndpointCommands(commandOptions);
  const checks = parts.use(
    makeNodeHealth({
      config,
      nodeName,
      addresses: localAddresses,
      nodes: discovery.table,
      endpoints,
      commands: new EndpointCommands({ ...commandOptions, identities: healthIdentities }),
      onAddresses: (addresses) => localNode.useHealth(addresses),
      health,
      metrics,
      log: log.child({ part: "health" }),
    }),
  );
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
  ipam.restored();
  policy.endpoints.start();
  checks.start();

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
      ipamHealth: () => ipamState.health(),
      nodes: discovery.table,
      identities: identities.table,
      ipcache: ipcache.table,
      reconcilers: reconcilers.all,
      watches,
      services: loadBalancing,
    }),
  );

  // What waits for the API server
  let inStep: Omit<PartHealth, "name"> = { state: "degraded", message: "hearing what there is" };
  health.register("cluster", () => inStep);
  const catchUp = async () => {
    await heard;
    await checkFacts(facts, { ...options, file });
    await loadBalancing.heard;
    loadBalancing.complete();
    held.use(identities.onSuperseded(({ from }) => reidentifier.supersede(from.id)));
    reidentifier.start();
    endpointPublisher.start();
    await followCiliumEndpoints({
      watches,
      claims,
      namedPorts,
      publisher: endpointPublisher,
      localAddresses,
      signal: stop,
    });
    await policies;
    policyInputs.complete();
    reconcilers.startCluster();
    hubble.complete();
    await removePodless({ endpoints, pods, remove, before: startedAt, log });
    inStep = { state: "ok", message: "in step with the API server" };
    log.info(inStep.message);
    settleHeapIn(settleHeapMs);
  };
  const held = parts.move();
  catchUp().catch((error: Error) => {
    if (stop.aborted) return;
    inStep = { state: "failed", message: error.message };
    log.fatal({ error }, "cannot get in step with the API server");
  });

  return {
    commands,
    startHubble: () => hubble.start(),
    routes: {
      endpoints: endpoints.table,
      identities,
      ipcache,
      nodes: discovery.table,
      ipam,
      addresses: facts,
      monitor: new Monitor(
        hubble,
        new RuleNames((numbers) => policy.client.ask({ kind: "rules", numbers }).catch(() => [])),
      ),
      policy: {
        client: policy.client,
        whereabouts: {
          endpoints: endpoints.table,
          ipcache,
          identities: identities.table,
          namedPorts,
          names: fqdn.views,
          dualStack: families.length === 2,
        },
        setAudit: (id, audit) => policy.endpoints.setAudit(id, audit),
        state: () =>
          policyState(policySettings(config), { inputs: policyInputs, client: policy.client }),
      },
      services: loadBalancing.views,
      fqdn: fqdn.views,
      proxies,
      checks: checks.views,
      barrier: new Barrier(watches, [...reconcilers.stages(), fqdn.stage]),
    },
    [Symbol.asyncDispose]: () => held[Symbol.asyncDispose](),
  };
}

function nodeDevices(): readonly { readonly index: number; readonly name: string }[] {
  using rtnl = Rtnl.open();
  return rtnl.links.list();
}

function present(...addresses: (Address | undefined)[]): Address[] {
  return addresses.filter((address) => address !== undefined);
}
