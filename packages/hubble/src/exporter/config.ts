// The file at hubble-flowlogs-config-path: YAML with a list of flow logs, in Cilium's format, and `start` beside `end`.
import type { JsonValue } from "@bufbuild/protobuf";
import { JSON_SCHEMA, loadAll } from "js-yaml";
import type { FlowFilter } from "../gen/flow/flow_pb.ts";
import { filterFromJson } from "./flow-log.ts";

export type FlowLogConfig = {
  readonly name: string;
  /** "stdout", or a file. */
  readonly filePath: string;
  readonly fieldMask: readonly string[];
  readonly includeFilters: readonly FlowFilter[];
  readonly excludeFilters: readonly FlowFilter[];
  readonly fileMaxSizeMb: number;
  readonly fileMaxBackups: number;
  readonly fileCompress: boolean;
  /** Flows are logged from then on, until then; UNIX ms. */
  readonly startMs: number | undefined;
  readonly endMs: number | undefined;
  /** Equal texts are equal configurations. */
  readonly text: string;
};

/** Cilium's, for 0 and for what is not said. */
export const defaultMaxSizeMb = 10;
export const defaultMaxBackups = 5;

/** @throws Error naming the log and the field */
export function parseFlowLogs(yaml: string): FlowLogConfig[] {
  // An empty file is no logs: how a ConfigMap is emptied.
  const [document, more] = loadAll(yaml, { schema: JSON_SCHEMA }) as JsonValue[];
  if (more !== undefined) throw new Error("the file has more than one document");
  const top = Fields.of(document ?? {}, "the file");
  const logs = top.list("flowLogs").map((json, index) => parseFlowLog(json, index));
  top.finish();
  for (const key of ["name", "filePath"] as const)
    for (const [index, log] of logs.entries())
      if (logs.findIndex((other) => other[key] === log[key]) !== index)
        throw new Error(`flowLogs[${index}].${key}: "${log[key]}" is there twice`);
  return logs;
}

function parseFlowLog(json: JsonValue, index: number): FlowLogConfig {
  const fields = Fields.of(json, `flowLogs[${index}]`);
  const filters = (key: string) =>
    fields.list(key).map((filter, at) => {
      try {
        return filterFromJson(filter);
      } catch (cause) {
        throw new Error(`flowLogs[${index}].${key}[${at}]: ${(cause as Error).message}`, { cause });
      }
    });
  const config: FlowLogConfig = {
    name: fields.text("name"),
    filePath: fields.text("filePath"),
    fieldMask: fields.list("fieldMask").map(String),
    includeFilters: filters("includeFilters"),
    excludeFilters: filters("excludeFilters"),
    fileMaxSizeMb: fields.count("fileMaxSizeMb") || defaultMaxSizeMb,
    fileMaxBackups: fields.count("fileMaxBackups") || defaultMaxBackups,
    fileCompress: fields.flag("fileCompress"),
    startMs: fields.time("start"),
    endMs: fields.time("end"),
    text: JSON.stringify(json),
  };
  // Cilium's aggregation of flow logs. Without a field it is off there too.
  if (fields.list("fieldAggregate").length > 0)
    throw new Error(`flowLogs[${index}].fieldAggregate: flow logs are not aggregated here`);
  fields.ignore("aggregationInterval");
  fields.finish();
  return config;
}

/** An object's fields, each to be asked for once. */
class Fields {
  readonly #left: Map<string, JsonValue>;
  readonly #where: string;

  private constructor(left: Map<string, JsonValue>, where: string) {
    this.#left = left;
    this.#where = where;
  }

  static of(json: JsonValue, where: string): Fields {
    if (typeof json !== "object" || json === null || Array.isArray(json))
      throw new Error(`${where}: wanted an object`);
    return new Fields(new Map(Object.entries(json)), where);
  }

  text(key: string): string {
    const value = this.#take(key);
    if (typeof value === "string" && value !== "") return value;
    throw this.#wrong(key, "a text");
  }

  flag(key: string): boolean {
    const value = this.#take(key) ?? false;
    if (typeof value === "boolean") return value;
    throw this.#wrong(key, "true or false");
  }

  count(key: string): number {
    const value = this.#take(key) ?? 0;
    if (typeof value === "number" && Number.isInteger(value) && value >= 0) return value;
    throw this.#wrong(key, "a whole number");
  }

  list(key: string): JsonValue[] {
    const value = this.#take(key) ?? [];
    if (Array.isArray(value)) return value;
    throw this.#wrong(key, "a list");
  }

  time(key: string): number | undefined {
    const value = this.#take(key) ?? undefined;
    if (value === undefined) return undefined;
    const isTime = typeof value === "string" && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/.test(value);
    const ms = isTime ? Date.parse(value) : Number.NaN;
    if (Number.isNaN(ms)) throw this.#wrong(key, "a time as 2026-11-26T10:00:00Z");
    return ms;
  }

  ignore(key: string): void {
    this.#take(key);
  }

  finish(): void {
    const [unknown] = this.#left.keys();
    if (unknown !== undefined) throw new Error(`${this.#where}: unknown field "${unknown}"`);
  }

  #take(key: string): JsonValue | undefined {
    const value = this.#left.get(key);
    this.#left.delete(key);
    return value;
  }

  #wrong(key: string, wanted: string): Error {
    return new Error(`${this.#where}.${key}: wanted ${wanted}`);
  }
}
