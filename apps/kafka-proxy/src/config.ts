// What a Kafka proxy is started with: one JSON object, as argument or in the file that the argument names.
import { readFileSync } from "node:fs";
import type { Direction } from "@tsilium/policy/model.ts";

export type KafkaProxyConfig = {
  readonly direction: Direction;
  /** Made before privileges are dropped, root's alone. */
  readonly controlSocket: string;
  /** Keeps the rules; becomes the user's. */
  readonly stateFolder: string;
  readonly user: { readonly uid: number; readonly gid: number };
  /** Beyond these, connections are refused. Each takes two descriptors. */
  readonly maxConnections: number;
};

const defaultMaxConnections = 8_000;

/** code: "config". */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly code = "config";
}

/** @throws ConfigError; Error ENOENT, ... */
export function parseConfig(argument: string | undefined): KafkaProxyConfig {
  if (!argument) throw new ConfigError("usage: kafka-proxy '{\"controlSocket\": ..., ...}' | FILE");
  const text = argument.startsWith("{") ? argument : readFileSync(argument, "utf8");
  let fields: Record<string, unknown>;
  try {
    fields = JSON.parse(text) as Record<string, unknown>;
  } catch (cause) {
    throw new ConfigError("the configuration is not JSON", { cause });
  }
  const { direction, user } = fields;
  if (direction !== "ingress" && direction !== "egress")
    throw new ConfigError('direction: "ingress" or "egress"');
  const ids = (user ?? {}) as Record<string, unknown>;
  return {
    direction,
    controlSocket: path(fields, "controlSocket"),
    stateFolder: path(fields, "stateFolder"),
    user: { uid: number(ids, "uid"), gid: number(ids, "gid") },
    maxConnections:
      fields["maxConnections"] === undefined
        ? defaultMaxConnections
        : number(fields, "maxConnections"),
  };
}

function path(fields: Record<string, unknown>, name: string): string {
  const value = fields[name];
  if (typeof value !== "string" || !value.startsWith("/"))
    throw new ConfigError(`${name}: an absolute path`);
  return value;
}

function number(fields: Record<string, unknown>, name: string): number {
  const value = fields[name];
  if (!Number.isInteger(value) || (value as number) < 1)
    throw new ConfigError(`${name}: a whole number above 0`);
  return value as number;
}
