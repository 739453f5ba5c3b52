// Starts policy on a node: the worker's thread, its client, and what gives endpoints their subjects.
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import type { Datapath } from "@tsilium/datapath";
import type { Endpoints } from "@tsilium/endpoint";
import type { Namespace, Pod } from "@tsilium/kube";
import type { Logger } from "@tsilium/runtime";
import { projectRoot } from "@tsilium/syscall";
import type { Table } from "@tsilium/tables";
import type { AgentConfig } from "../config/keys.ts";
import type { Health } from "../health.ts";
import type { Metrics } from "../metrics.ts";
import { PolicyClient, type PolicyProxies, type PolicySource } from "./client.ts";
import { EndpointPolicies } from "./endpoint-policies.ts";
import { policyHealth } from "./health.ts";
import { PolicyMetrics } from "./metrics.ts";
import type { PolicyNews, WorkerSetup } from "./model.ts";
import { policySettings } from "./settings.ts";

export type PolicyOptions = {
  readonly config: AgentConfig;
  readonly datapath: Datapath;
  readonly inputs: PolicySource;
  readonly endpoints: Endpoints;
  /** Keyed "namespace/name". */
  readonly pods: Table<Pod>;
  /** Keyed by name. */
  readonly namespaces: Table<Namespace>;
  readonly health: Health;
  readonly metrics: Metrics;
  /** Told what the worker tells once, if Hubble is on. */
  readonly onNews: (news: PolicyNews) => void;
  /** Those that enforce L7 rules. What they acknowledge goes to `NodePolicy.client.acknowledge`. */
  readonly proxies?: PolicyProxies | undefined;
  /** Told of all names and patterns of `toFQDNs`, whenever they change. */
  readonly onFqdnSelectors?: ((selectors: readonly string[]) => void) | undefined;
  readonly log: Logger;
};

export type NodePolicy = AsyncDisposable & {
  readonly client: PolicyClient;
  readonly endpoints: EndpointPolicies;
};

/** Starts the worker; endpoints are followed from `endpoints.start()` on. The datapath must be running. */
export function startPolicy(options: PolicyOptions): NodePolicy {
  const { config, datapath, inputs, log, metrics: registry } = options;
  const subjectsInKernel = () => datapath.endpoints.list().map(({ subject }) => subject);
  const setup = {
    bpffs: config["bpf-root"],
    runDir: config["run-dir"],
    settings: policySettings(config),
    tellsNews: config["enable-hubble"],
  };
  const metrics = new PolicyMetrics(registry);
  const client = new PolicyClient({
    inputs,
    startWorker: () => startWorker(setup),
    strangers: subjectsInKernel(),
    onReport: (report, delaysMs) => {
      metrics.note(report, delaysMs);
      if (report.news) options.onNews(report.news);
    },
    proxies: options.proxies,
    onFqdnSelectors: options.onFqdnSelectors,
    log,
  });
  const { endpoints, pods, namespaces } = options;
  const followed = new EndpointPolicies({
    client,
    endpoints,
    pods,
    namespaces,
    subjectsInKernel,
    log,
  });
  metrics.register({ status: () => client.status(), endpoints: endpoints.table });
  options.health.register("policy", () => policyHealth(client.status()));
  client.start();
  return {
    client,
    endpoints: followed,
    async [Symbol.asyncDispose]() {
      followed[Symbol.dispose]();
      await client[Symbol.asyncDispose]();
    },
  };
}

/** Beside this source file, or, in the bundle, beside the agent. */
function startWorker(setup: WorkerSetup): Worker {
  const file = import.meta.filename.endsWith(".ts")
    ? join(import.meta.dirname, "worker.ts")
    : join(projectRoot(), "dist/js/policy-worker.mjs");
  return new Worker(file, { name: "policy", workerData: setup });
}
