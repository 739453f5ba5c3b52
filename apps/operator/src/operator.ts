// The operator's parts, put together: what runs once in a cluster.
//
//   CRDs --> watches: Nodes, CiliumNodes --> pod CIDR carver --> CiliumNode.spec.ipam.podCIDRs
//                                        \-> node cleaner   --> deletes what deleted nodes leave
//            every few minutes: sweep of CiliumEndpoints without a pod
//            CiliumIdentities, CiliumEndpoints --> which identities nobody uses --> marks, then deletes them
//            services, pools --> LB-IPAM --> Service.status.loadBalancer
//            policies: webhook --> yes or no before they are stored; reporters --> status.conditions afterwards
//                      Secrets that they name --> copies where agents may read them
import { setTimeout as sleep } from "node:timers/promises";
import {
  type CustomResourceDefinition,
  type KubeClient,
  reflectTable,
  resources,
} from "@tsilium/kube";
import { type Logger, type PartHealth, reconcilerHealth } from "@tsilium/runtime";
import { Reconciler } from "@tsilium/tables";
import { sweepEndpoints } from "./cleanup/endpoints.ts";
import { NodeCleaner } from "./cleanup/nodes.ts";
import { familiesOf, type OperatorConfig } from "./config/config.ts";
import { definitions, installDefinition } from "./crds/install.ts";
import { startEni } from "./eni/start.ts";
import { startIpam } from "./ipam.ts";
import { IdentityGc } from "./identity-gc/identity-gc.ts";
import { LbIpam, type LbIpamOptions } from "./lb-ipam/lb-ipam.ts";
import { Metrics } from "./metrics.ts";
import { policyJudges, type PolicyJudge } from "./policies/judge.ts";
import { serviceJudges } from "./policies/service-judges.ts";
import { PolicySecrets } from "./policy-secrets/policy-secrets.ts";
import { PolicyReporter } from "./policy-status/reporter.ts";
import { WatchHealth } from "./watch-health.ts";
import { PolicyWebhook } from "./webhook/webhook.ts";

export type OperatorOptions = {
  readonly client: KubeClient;
  readonly config: OperatorConfig;
  /** Throws in an operator that leads no more: asked before each change in a cloud, as `client` asks before each of its own. */
  readonly mayWrite?: () => void;
  readonly log: Logger;
  readonly signal: AbortSignal;
};

export type Operator = {
  readonly metrics: Metrics;
  readonly health: () => PartHealth[];
  /** Ends the work under way; resolves when nothing is running any more. */
  readonly stop: () => Promise<void>;
};

/** Installs the CRDs, waits until all nodes are known, begins. @throws the signal's reason */
export async function startOperator(options: OperatorOptions): Promise<Operator> {
  const { client, config, log, signal } = options;
  await installDefinitions(options);

  const health = { nodes: new WatchHealth("nodes"), ciliumNodes: new WatchHealth("ciliumnodes") };
  const nodes = reflectTable(client, resources.nodes, { signal, ...health.nodes });
  const ciliumNodes = reflectTable(client, resources.ciliumNodes, {
    signal,
    ...health.ciliumNodes,
  });
  await Promise.all([nodes.synced, ciliumNodes.synced]);
  const lbIpam = startLbIpam(options, { nodes: nodes.table, ciliumNodes: ciliumNodes.table });
  // Nodes must have their blocks even where pools cannot be read.
  if (lbIpam) await Promise.race([lbIpam.poolsSynced, sleep(patienceMs, undefined, { signal })]);

  const ipam = await startIpam({
    client,
    config,
    ciliumNodes: ciliumNodes.table,
    avoided: () => lbIpam?.prefixes() ?? [],
    log,
    signal,
  });
  const judges = policyJudges({ nodeSelectorLabels: config["enable-node-selector-labels"] });
  const reporters = startReporters(options, judges);
  const secrets = startPolicySecrets(options, reporters);
  const metrics = new Metrics({
    blocks: () => ipam.usage(),
    nodes: () => ciliumNodes.table.size,
    nodesInError: () => ipam.nodesInError(),
    policies: () => reporters.map((each) => ({ kind: each.kind, counts: each.counts() })),
    lbIpam: lbIpam && (() => lbIpam.stats()),
    policySecrets: secrets && (() => secrets.stats()),
    identities: () => identityGc?.stats(),
  });
  const eni =
    config.ipam === "eni"
      ? await startEni({ ...options, ciliumNodes: ciliumNodes.table, metrics })
      : undefined;
  const webhook = PolicyWebhook.start({
    client,
    address: config["policy-webhook-serve-addr"],
    reachedAt: config["policy-webhook-address"],
    judges: { ...judges, ...serviceJudges() },
    onAnswer: ({ kind, outcome }) => metrics.reviews.inc({ kind, outcome }),
    log,
    signal,
  });
  const cleaner = new NodeCleaner({
    client,
    nodes: nodes.table,
    ciliumNodes: ciliumNodes.table,
    log,
    onRemoved: (kind) => metrics.removed.inc({ kind }),
  });
  const cleaning = new Reconciler({
    name: "deleted-nodes",
    table: cleaner.table,
    operations: cleaner.operations,
    log,
  });
  cleaner.start();
  cleaning.start();
  const sweeping = sweepForEver(options, metrics);
  const identityGc = startIdentityGc(options, metrics);

  return {
    metrics,
    health: () => [
      health.nodes.part(),
      health.ciliumNodes.part(),
      ...(eni ? [eni.health()] : ipam.health()),
      reconcilerHealth("deleted nodes", cleaning.status()),
      ...reporters.flatMap((reporter) => reporter.health()),
      webhook.health(),
      ...(identityGc?.health() ?? [switchedOff("identity collection")]),
      ...(lbIpam?.health() ?? [switchedOff("LB-IPAM")]),
      ...(secrets?.health() ?? [switchedOff("policies' Secrets")]),
    ],
    stop: async () => {
      cleaner[Symbol.dispose]();
      await Promise.all([ipam.stop(), cleaning.stop(), sweeping, nodes.done, ciliumNodes.done]);
      await eni?.stop();
      await lbIpam?.stop();
      await identityGc?.stop();
      await secrets?.stop();
      await Promise.all([webhook.stopped, ...reporters.map((reporter) => reporter.stop())]);
    },
  };
}

/** How long nodes wait for what is only of use to them. */
const patienceMs = 2_000;

/** The API server may come up after us: asked twice a second until it answers. */
async function installDefinitions({ client, config, log, signal }: OperatorOptions): Promise<void> {
  let complained = false;
  const install = async (definition: CustomResourceDefinition) => {
    const name = definition.metadata.name;
    for (let delayMs = 50; ; delayMs = Math.min(delayMs * 2, 500)) {
      try {
        const outcome = await installDefinition(client, definition, signal);
        return log.info({ definition: name, outcome }, "definition in place");
      } catch (error) {
        signal.throwIfAborted();
        if (!complained) log.warn({ definition: name, error }, "cannot install it yet, will retry");
        complained = true;
        await sleep(delayMs, undefined, { signal });
      }
    }
  };
  await Promise.all(definitionsFor(config).map(install));
}

function definitionsFor(config: OperatorConfig): readonly CustomResourceDefinition[] {
  const switches: Readonly<Record<string, boolean>> = {
    ClusterNetworkPolicy: config["enable-k8s-cluster-network-policy"],
    CiliumLoadBalancerIPPool: config["enable-lb-ipam"],
  };
  return definitions.filter(({ spec }) => switches[spec.names.kind] ?? true);
}

function startLbIpam(
  { client, config, log, signal }: OperatorOptions,
  tables: Pick<LbIpamOptions, "nodes" | "ciliumNodes">,
): LbIpam | undefined {
  if (!config["enable-lb-ipam"]) return undefined;
  return LbIpam.start({
    client,
    ...tables,
    families: familiesOf(config),
    servesClassless: config["default-lb-service-ipam"] === "lbipam",
    log,
    signal,
  });
}

/** NetworkPolicy has no status; of the rest, those kinds that the cluster has. */
function startReporters(
  { client, config, log, signal }: OperatorOptions,
  judges: Readonly<Record<string, PolicyJudge>>,
): readonly PolicyReporter[] {
  const kinds = [
    resources.ciliumNetworkPolicies,
    resources.ciliumClusterwideNetworkPolicies,
    ...(config["enable-k8s-cluster-network-policy"] ? [resources.clusterNetworkPolicies] : []),
  ];
  return kinds.map((resource) => {
    const judge = judges[`${resource.group}/${resource.kind}`] as PolicyJudge;
    return PolicyReporter.start({ client, resource, judge, log, signal });
  });
}

/** Only kinds whose rules can name Secrets. */
function startPolicySecrets(
  { client, config, log, signal }: OperatorOptions,
  reporters: readonly PolicyReporter[],
): PolicySecrets | undefined {
  if (!config["enable-policy-secrets-sync"]) return undefined;
  const kinds: ReadonlySet<string> = new Set([
    resources.ciliumNetworkPolicies.kind,
    resources.ciliumClusterwideNetworkPolicies.kind,
  ]);
  return PolicySecrets.start({
    client,
    home: config["policy-secrets-namespace"],
    policies: reporters.filter(({ kind }) => kinds.has(kind)).map(({ policies }) => policies),
    // As the judges parse: what is invalid to them names no Secrets.
    parseOptions: {
      clusterName: "default",
      nodeSelectorLabels: config["enable-node-selector-labels"],
    },
    log,
    signal,
  });
}

function startIdentityGc(
  { client, config, log, signal }: OperatorOptions,
  metrics: Metrics,
): IdentityGc | undefined {
  const intervalMs = config["identity-gc-interval"];
  if (intervalMs === 0) return undefined;
  const limit = config["identity-gc-rate-limit"];
  return IdentityGc.start({
    client,
    intervalMs,
    windowMs: config["identity-heartbeat-timeout"],
    ceilingPerSecond:
      limit === 0 ? undefined : (limit * 1000) / config["identity-gc-rate-interval"],
    onRemoved: () => metrics.removed.inc({ kind: "CiliumIdentity" }),
    onRun: (outcome) => metrics.identityRuns.inc({ outcome }),
    log: log.child({ part: "identity-gc" }),
    signal,
  });
}

function switchedOff(name: string): PartHealth {
  return { name, state: "disabled", message: "switched off" };
}

async function sweepForEver(
  { client, config, log, signal }: OperatorOptions,
  metrics: Metrics,
): Promise<void> {
  const intervalMs = config["cilium-endpoint-gc-interval"];
  while (intervalMs > 0 && !signal.aborted) {
    try {
      const removed = await sweepEndpoints(client, signal);
      metrics.sweeps.inc({ outcome: "success" });
      if (removed > 0) {
        metrics.removed.inc({ kind: "CiliumEndpoint" }, removed);
        log.info({ removed }, "removed CiliumEndpoints without a pod");
      }
    } catch (error) {
      if (signal.aborted) return;
      metrics.sweeps.inc({ outcome: "fail" });
      log.warn({ error }, "a sweep of CiliumEndpoints failed");
    }
    await sleep(intervalMs, undefined, { signal }).catch(() => undefined);
  }
}
