// What becomes of flows once they are told: kept, observed, counted, exported.
import { type Exporters, startExporters } from "@tsilium/hubble/exporter/index.ts";
import { newStoreId } from "@tsilium/hubble/history/index.ts";
import {
  createFlowMetrics,
  type FlowMetrics,
  MetricsServer,
  parseMetrics,
} from "@tsilium/hubble/metrics/index.ts";
import type { AgentEvent, Flow, LostEvents } from "@tsilium/hubble/model.ts";
import { Observer } from "@tsilium/hubble/observer/index.ts";
import { makeRedact, type Redact } from "@tsilium/hubble/redact/index.ts";
import type { Logger } from "@tsilium/runtime";
import { Registry } from "prom-client";
import type { HistoryStatus } from "../model.ts";
import type { HubbleSettings } from "../settings.ts";
import { KeptHistory } from "./kept-history.ts";

export type SinksOptions = {
  readonly settings: HubbleSettings;
  /** As flows have it. */
  readonly nodeName: string;
  readonly log: Logger;
};

export class Sinks implements AsyncDisposable {
  readonly observer: Observer;
  readonly metrics: FlowMetrics;
  readonly #options: SinksOptions;
  readonly #history: KeptHistory | undefined;
  readonly #storeId = newStoreId();
  readonly #redact: Redact;
  readonly #exporters: Exporters | Error;
  readonly #metricsServer: MetricsServer | Error | undefined;

  private constructor(
    options: SinksOptions,
    parts: {
      readonly history: KeptHistory | undefined;
      readonly metrics: FlowMetrics;
      readonly exporters: Exporters | Error;
      readonly metricsServer: MetricsServer | Error | undefined;
    },
  ) {
    const { settings, nodeName } = options;
    const { bufferCapacity: capacity } = settings;
    this.#options = options;
    this.#redact = makeRedact(settings.redact);
    this.#history = parts.history;
    this.metrics = parts.metrics;
    this.#exporters = parts.exporters;
    this.#metricsServer = parts.metricsServer;
    this.observer = new Observer({
      nodeName,
      capacity,
      protectedCapacity: capacity,
      ...(parts.history ? { history: parts.history } : {}),
    });
  }

  /** What cannot be had is left out, and told among `problems`. */
  static async open(options: SinksOptions): Promise<Sinks> {
    const { settings, log } = options;
    const registry = new Registry();
    const metrics = createFlowMetrics(settings.metrics.words, registry);
    return new Sinks(options, {
      metrics,
      history: settings.history && (await KeptHistory.open(settings.history, log)),
      exporters: await orError(startExporters({ ...settings.exporter, registry, log })),
      metricsServer: await serveMetrics(settings, registry),
    });
  }

  /** Flows of before have numbers up to this one. */
  get lastSequence(): number {
    return this.#history?.lastSequence ?? 0;
  }

  /** What UUIDs of flows begin with. */
  get storeId(): string {
    return this.#history?.storeId ?? this.#storeId;
  }

  /** New flows, in order of their sequences. */
  add(flows: readonly Flow[]): void {
    if (flows.length === 0) return;
    const clean = flows.some(({ l7 }) => l7) ? flows.map(this.#redact) : flows;
    // Whoever looks for a flow that memory has lost looks for it there.
    this.#history?.append(clean);
    this.observer.add(clean);
    const exporters = this.#exporters;
    for (const flow of clean) {
      this.metrics.note(flow);
      if (!(exporters instanceof Error)) exporters.note(flow);
    }
  }

  lost(event: LostEvents): void {
    this.observer.lost(event);
    this.metrics.noteLost(event);
    if (!(this.#exporters instanceof Error))
      this.#exporters.noteLost(event, this.#options.nodeName);
  }

  agentEvent(event: AgentEvent): void {
    this.observer.addAgentEvent(event);
  }

  /** Names of the metrics that are counted. */
  get metricNames(): string[] {
    return parseMetrics(this.#options.settings.metrics.words).map(({ name }) => name);
  }

  historyStatus(): HistoryStatus | undefined {
    return this.#history?.status();
  }

  /** What is wrong, a sentence each. */
  problems(): string[] {
    const historyProblem = this.#history?.problem;
    return [
      ...(historyProblem === undefined ? [] : [historyProblem]),
      ...(this.#exporters instanceof Error
        ? [`flows are not exported: ${this.#exporters.message}`]
        : this.#exporters.problems()),
      ...(this.#metricsServer instanceof Error
        ? [`metrics are not served: ${this.#metricsServer.message}`]
        : []),
    ];
  }

  /** Puts away what is on its way to disk. */
  async [Symbol.asyncDispose](): Promise<void> {
    const parts = [this.#history, this.#exporters, this.#metricsServer];
    await Promise.all(
      parts.map((part) =>
        part === undefined || part instanceof Error ? undefined : part[Symbol.asyncDispose](),
      ),
    );
  }
}

async function serveMetrics(
  { metrics: { words, address } }: HubbleSettings,
  registry: Registry,
): Promise<MetricsServer | Error | undefined> {
  if (address === "") return undefined;
  const openMetrics = parseMetrics(words).some(({ options }) => options.has("exemplars"));
  return orError(MetricsServer.listen({ address, registry, openMetrics }));
}

async function orError<T>(promise: Promise<T>): Promise<T | Error> {
  try {
    return await promise;
  } catch (error) {
    return error as Error;
  }
}
