// All flow logs of a node: the one of the keys hubble-export-*, and those of hubble-flowlogs-config-path.
import type { Writable } from "node:stream";
import type { Logger } from "@tsilium/runtime";
import { Counter, Gauge, type Registry } from "prom-client";
import type { Flow, LostEvents } from "../model.ts";
import { defaultMaxSizeMb, type FlowLogConfig } from "./config.ts";
import { DynamicFlowLogs } from "./dynamic.ts";
import { type FlowLog, makeFlowLog, parseFilters } from "./flow-log.ts";
import { LogFile } from "./log-file.ts";
import { type Sink, type SinkStats, streamSink } from "./sink.ts";

export type ExportersOptions = {
  /** hubble-export-file-path; "" or "stdout" as in Cilium. */
  readonly filePath: string;
  readonly fileMaxSizeMb: number;
  readonly fileMaxBackups: number;
  readonly fileCompress: boolean;
  /** hubble-export-allowlist, -denylist: filters in JSON, one after the other. */
  readonly allowlist: string;
  readonly denylist: string;
  readonly fieldMask: readonly string[];
  /** hubble-flowlogs-config-path; "": none. */
  readonly flowLogsConfigPath: string;
  readonly registry: Registry;
  readonly log: Logger;
  readonly stdout?: Writable;
};

export type Exporters = AsyncDisposable & {
  note(flow: Flow): void;
  noteLost(lost: LostEvents, nodeName: string): void;
  /** What cannot be written or read now, a sentence each. */
  problems(): string[];
};

/** Bytes that may wait for who reads standard output. */
const stdoutQueueBytes = 8 * 1024 * 1024;
const megabyte = 1024 * 1024;
/** The static log's name in metrics; dynamic ones may not have it, being told apart by it. */
const staticName = "static-exporter";

/** @throws FilterError, CodecError (field mask), SyntaxError: the keys cannot be used */
export async function startExporters(options: ExportersOptions): Promise<Exporters> {
  const { log } = options;
  const openSink = (config: SinkConfig): Sink =>
    config.filePath === "stdout"
      ? streamSink(options.stdout ?? process.stdout, stdoutQueueBytes)
      : new LogFile({
          path: config.filePath,
          maxBytes: (config.fileMaxSizeMb || defaultMaxSizeMb) * megabyte,
          maxBackups: config.fileMaxBackups,
          compress: config.fileCompress,
          log,
        });
  const fixed = options.filePath === "" ? undefined : openFixed(options, openSink);
  const dynamic =
    options.flowLogsConfigPath === ""
      ? undefined
      : new DynamicFlowLogs({
          path: options.flowLogsConfigPath,
          open: (config) => openDynamic(config, openSink),
          log,
        });
  await dynamic?.start();
  addMetrics(options.registry, fixed, dynamic);
  return {
    note: (flow) => {
      fixed?.note(flow);
      dynamic?.note(flow);
    },
    noteLost: (lost, nodeName) => {
      fixed?.noteLost(lost, nodeName);
      dynamic?.noteLost(lost, nodeName);
    },
    problems: () => [
      ...(dynamic?.problem === undefined ? [] : [dynamic.problem]),
      ...statsOf(fixed, dynamic).flatMap(([name, { error }]) =>
        error === undefined ? [] : [`flow log ${name} cannot be written: ${error}`],
      ),
    ],
    [Symbol.asyncDispose]: async () => {
      await Promise.all([fixed?.[Symbol.asyncDispose](), dynamic?.[Symbol.asyncDispose]()]);
    },
  };
}

type SinkConfig = Pick<
  FlowLogConfig,
  "filePath" | "fileMaxSizeMb" | "fileMaxBackups" | "fileCompress"
>;

function openFixed(options: ExportersOptions, openSink: (config: SinkConfig) => Sink): FlowLog {
  const [allow, deny] = [parseFilters(options.allowlist), parseFilters(options.denylist)];
  return makeFlowLog({ allow, deny, fieldMask: options.fieldMask, sink: openSink(options) });
}

function openDynamic(config: FlowLogConfig, openSink: (config: SinkConfig) => Sink): FlowLog {
  if (config.name === staticName) throw new Error(`a flow log cannot be named "${staticName}"`);
  const { includeFilters: allow, excludeFilters: deny, fieldMask } = config;
  return makeFlowLog({ allow, deny, fieldMask, sink: openSink(config) });
}

/** Every flow log's name, and how it is. */
function statsOf(
  fixed: FlowLog | undefined,
  dynamic: DynamicFlowLogs | undefined,
): (readonly [string, SinkStats])[] {
  return [
    ...(fixed ? [[staticName, fixed.sink.stats] as const] : []),
    ...(dynamic?.status.logs ?? []).map(({ name, flowLog }) => [name, flowLog.sink.stats] as const),
  ];
}

function addMetrics(
  registry: Registry,
  fixed: FlowLog | undefined,
  dynamic: DynamicFlowLogs | undefined,
): void {
  const registers = [registry];
  const stats = () => statsOf(fixed, dynamic);
  for (const [what, help] of [
    ["written", "Flows and losses written to a flow log, or waiting for it"],
    ["lost", "Flows and losses that could not be written, and were more than may wait"],
  ] as const)
    new Counter({
      name: `hubble_exporter_events_${what}_total`,
      help,
      labelNames: ["name"],
      registers,
      collect() {
        this.reset();
        for (const [name, each] of stats()) this.inc({ name }, each[what]);
      },
    });
  new Gauge({
    name: "hubble_exporter_failing",
    help: "1 while a flow log cannot be written",
    labelNames: ["name"],
    registers,
    collect() {
      this.reset();
      for (const [name, { error }] of stats()) this.set({ name }, error === undefined ? 0 : 1);
    },
  });
  if (dynamic) addDynamicMetrics(registers, dynamic);
}

/** Cilium's names. */
function addDynamicMetrics(registers: Registry[], dynamic: DynamicFlowLogs): void {
  const prefix = "hubble_dynamic_exporter";
  new Gauge({
    name: `${prefix}_exporters_total`,
    help: "Number of configured exporters",
    labelNames: ["status"],
    registers,
    collect() {
      const active = dynamic.status.logs.filter((log) => log.active).length;
      this.set({ status: "active" }, active);
      this.set({ status: "inactive" }, dynamic.status.logs.length - active);
    },
  });
  new Gauge({
    name: `${prefix}_up`,
    help: "Status of individual exporters",
    labelNames: ["name"],
    registers,
    collect() {
      this.reset();
      for (const { name, active } of dynamic.status.logs) this.set({ name }, active ? 1 : 0);
    },
  });
  new Counter({
    name: `${prefix}_reconfigurations_total`,
    help: "Number of dynamic exporters reconfigurations",
    labelNames: ["op"],
    registers,
    collect() {
      this.reset();
      for (const [op, count] of Object.entries(dynamic.reconfigurations)) this.inc({ op }, count);
    },
  });
  const applied = (
    name: string,
    help: string,
    value: (of: { hash: number; atMs: number }) => number,
  ) =>
    new Gauge({
      name: `${prefix}_${name}`,
      help,
      registers,
      collect() {
        const { applied: last } = dynamic.status;
        if (last) this.set(value(last));
      },
    });
  applied("config_hash", "Hash of last applied config", ({ hash }) => hash);
  applied("config_last_applied", "Timestamp of last applied config", ({ atMs }) =>
    Math.floor(atMs / 1000),
  );
}
