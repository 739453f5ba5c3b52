// Hubble on a node: the worker's thread, what it is told, and how much programs tell.
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import type { Datapath } from "@tsilium/datapath";
import type { DatapathEvent } from "@tsilium/datapath/model.ts";
import type { L7Record } from "@tsilium/hubble/decode/index.ts";
import type { Logger } from "@tsilium/runtime";
import { projectRoot } from "@tsilium/syscall";
import type { AgentConfig } from "../config/keys.ts";
import type { Health } from "../health.ts";
import type { Metrics } from "../metrics.ts";
import type { PolicyNews } from "../policy/model.ts";
import { HubbleClient, type PolicyNames } from "./client.ts";
import { hubbleTraceLevel } from "./event-config.ts";
import { EventSwitch } from "./event-switch.ts";
import { feedSources, type NodeTables } from "./feed/sources.ts";
import { hubbleHealth } from "./health.ts";
import { registerHubbleMetrics } from "./metrics.ts";
import type { WorkerSetup } from "./model.ts";
import { recordStream } from "./record-stream.ts";
import { hubbleSettings } from "./settings.ts";

export type HubbleOptions = {
  readonly config: AgentConfig;
  readonly version: string;
  readonly datapath: Pick<Datapath, "setTrace" | "setVerdicts" | "events">;
  readonly tables: NodeTables;
  readonly policy: PolicyNames;
  readonly health: Health;
  readonly metrics: Metrics;
  readonly log: Logger;
};

export type NodeHubble = AsyncDisposable & {
  /** To be called once what `HubbleOptions.policy` asks is there. */
  start(): void;
  /** The tables hold what the API server holds. */
  complete(): void;
  /** How much programs tell, for who wants more for a while. */
  readonly switch: EventSwitch;
  /** What programs tell, from now on until the signal aborts. */
  events(signal: AbortSignal): AsyncIterable<DatapathEvent>;
  policyNews(news: PolicyNews): void;
  /** What proxies saw; false: it was not taken. */
  l7(records: readonly L7Record[]): boolean;
};

/** The datapath must be running. Without Hubble, events are read here, while somebody listens. Nothing is told before `start`. */
export function makeHubble(options: HubbleOptions): NodeHubble {
  const { config, datapath, health } = options;
  const events = new EventSwitch(datapath, {
    trace: hubbleTraceLevel(config),
    verdicts: config["enable-hubble"],
  });
  if (!config["enable-hubble"]) {
    health.register("hubble", () => ({ state: "disabled", message: "enable-hubble is false" }));
    return {
      start: () => undefined,
      complete: () => undefined,
      switch: events,
      events: (signal) => datapath.events(signal),
      policyNews: () => undefined,
      // Nobody wants them: none is lost.
      l7: () => true,
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  }
  const client = makeClient(options);
  return {
    start: () => client.start(),
    complete: () => client.complete(),
    switch: events,
    events: (signal) => recordStream(client, signal),
    policyNews: (news) => client.policyNews(news),
    l7: (records) => client.l7(records),
    // Programs go on telling: what the rings hold is the next agent's to read.
    [Symbol.asyncDispose]: () => client[Symbol.asyncDispose](),
  };
}

function makeClient(options: HubbleOptions): HubbleClient {
  const { config, version, tables, policy, health, metrics, log } = options;
  const setup = { bpffs: config["bpf-root"], settings: hubbleSettings(config), version };
  const client = new HubbleClient({
    startWorker: () => startWorker(setup),
    sources: feedSources(tables),
    policy,
    log,
  });
  const status = () => client.status();
  health.register("hubble", () => hubbleHealth(status()));
  registerHubbleMetrics(metrics, { status });
  return client;
}

/** A worker that runs out of these ends by itself, and the agent goes on. */
const resourceLimits = { maxOldGenerationSizeMb: 384, maxYoungGenerationSizeMb: 16 };

/** Beside this source file, or, in the bundle, beside the agent. */
function startWorker(setup: WorkerSetup): Worker {
  const file = import.meta.filename.endsWith(".ts")
    ? join(import.meta.dirname, "worker.ts")
    : join(projectRoot(), "dist/js/hubble-worker.mjs");
  return new Worker(file, { name: "hubble", workerData: setup, resourceLimits });
}
