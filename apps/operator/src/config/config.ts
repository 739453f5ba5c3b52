// The operator's configuration: flags, then environment, then a folder with one file per key, then defaults.
// Folder and environment are shared with the agent (cilium-config), so foreign keys there are not errors.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { AddressError, Prefix } from "@tsilium/net";
import { suggest } from "../../../agent/src/config/suggest.ts";
import {
  choice,
  duration,
  flag,
  type Key,
  text,
  wholeNumber,
  words,
} from "../../../agent/src/config/values.ts";
import type { PodCidrPool } from "../pod-cidrs/decide.ts";

export const keys = {
  kubeconfig: text("", "kubeconfig file; empty: the pod's service account"),
  "enable-ipv4": flag(true, "give nodes IPv4 pod CIDRs"),
  "enable-ipv6": flag(true, "give nodes IPv6 pod CIDRs"),
  ipam: choice("cluster-pool", ["cluster-pool"], "who hands out pod CIDRs"),
  "cluster-pool-ipv4-cidr": words("IPv4 ranges for pod CIDRs; empty: 10.0.0.0/8"),
  "cluster-pool-ipv4-mask-size": wholeNumber(24, [8, 30], "length of a node's IPv4 pod CIDR"),
  "cluster-pool-ipv6-cidr": words("IPv6 ranges for pod CIDRs; empty: fd00::/56"),
  "cluster-pool-ipv6-mask-size": wholeNumber(64, [16, 126], "length of a node's IPv6 pod CIDR"),
  "cilium-endpoint-gc-interval": duration(
    300_000,
    "time between sweeps of CiliumEndpoints without a pod; 0: none",
  ),
  "operator-prometheus-serve-addr": text(
    "127.0.0.1:9963",
    "address of Prometheus metrics; empty: none",
  ),
  "operator-api-serve-addr": text("127.0.0.1:9234", "address of /healthz; empty: none"),
  "log-level": choice(
    "info",
    ["trace", "debug", "info", "warn", "error", "fatal"],
    "least level logged",
  ),
} satisfies Record<string, Key<unknown>>;

export type KeyName = keyof typeof keys;
export type OperatorConfig = {
  readonly [K in KeyName]: (typeof keys)[K] extends Key<infer T> ? T : never;
};

/** The configuration cannot be used. `problems` has one sentence for each thing that is wrong. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly code = "config_invalid";
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join("\n"));
    this.problems = problems;
  }
}

/** @param args the command line after the program's name. @throws ConfigError */
export function loadConfig(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): OperatorConfig {
  const problems: string[] = [];
  const flags = readFlags(args, problems);
  const folder = flags.get("config-dir");
  const values = Object.entries<Key<unknown>>(keys).map(([name, key]) => {
    const found = flags.get(name) ?? fromEnvironment(name, environment) ?? fromFolder(name, folder);
    return [name, found === undefined ? key.fallback : parse(name, found, problems)];
  });
  const config = Object.fromEntries(values) as OperatorConfig;
  if (problems.length === 0) problems.push(...contradictions(config));
  if (problems.length > 0) throw new ConfigError(problems);
  return config;
}

/** Text for --help. */
export function describeKeys(): string {
  return Object.entries<Key<unknown>>(keys)
    .map(([name, key]) => `  --${name} ${key.kind}\n        ${key.help}`)
    .join("\n");
}

const defaultRanges = { 4: "10.0.0.0/8", 6: "fd00::/56" } as const;

/** Where each enabled family's blocks come from. @throws AddressError for a range that is none */
export function podCidrPools(config: OperatorConfig): PodCidrPool[] {
  const families = [
    [4, config["enable-ipv4"], "cluster-pool-ipv4-cidr", "cluster-pool-ipv4-mask-size"],
    [6, config["enable-ipv6"], "cluster-pool-ipv6-cidr", "cluster-pool-ipv6-mask-size"],
  ] as const;
  return families.flatMap(([family, enabled, rangesKey, maskKey]) => {
    const texts = config[rangesKey].length > 0 ? config[rangesKey] : [defaultRanges[family]];
    const ranges = texts.map((range) => Prefix.parse(range));
    return enabled ? [{ family, ranges, maskSize: config[maskKey] }] : [];
  });
}

function readFlags(args: readonly string[], problems: string[]): Map<string, string> {
  const flags = new Map<string, string>();
  const known = [...Object.keys(keys), "config-dir"];
  for (let at = 0; at < args.length; at++) {
    const match = /^--([^=]+)(?:=(.*))?$/s.exec(args[at] ?? "");
    if (!match) {
      problems.push(`"${args[at]}" is not a flag: wanted --key value`);
      continue;
    }
    const [, name = "", inline] = match as unknown as [string, string, string | undefined];
    const following = args[at + 1];
    const follows = inline === undefined && following !== undefined && !following.startsWith("--");
    if (follows) at++;
    const isSwitch = keys[name as KeyName]?.kind === "boolean";
    const value = inline ?? (follows ? following : isSwitch ? "true" : undefined);
    if (!known.includes(name)) {
      const nearest = suggest(name, known);
      problems.push(`unknown key "${name}"${nearest ? `, did you mean "${nearest}"?` : ""}`);
    } else if (value === undefined) problems.push(`--${name} has no value`);
    else flags.set(name, value);
  }
  return flags;
}

function fromEnvironment(
  name: string,
  environment: Readonly<Record<string, string | undefined>>,
): string | undefined {
  const variable = name.toUpperCase().replaceAll("-", "_");
  return environment[`TSILIUM_${variable}`] ?? environment[`CILIUM_${variable}`];
}

function fromFolder(name: string, folder: string | undefined): string | undefined {
  if (folder === undefined) return undefined;
  const file = join(folder, name);
  return existsSync(file) ? readFileSync(file, "utf8").trim() : undefined;
}

function parse(name: string, found: string, problems: string[]): unknown {
  try {
    return keys[name as KeyName].parse(found);
  } catch (error) {
    problems.push(`${name}: ${(error as Error).message}, got "${found}"`);
    return undefined;
  }
}

/** Settings that are fine one by one and senseless together. */
function contradictions(config: OperatorConfig): string[] {
  if (!config["enable-ipv4"] && !config["enable-ipv6"])
    return ["enable-ipv4 and enable-ipv6 are both false: nodes would have no pod CIDR"];
  try {
    return podCidrPools(config).flatMap(({ family, ranges, maskSize }) =>
      ranges.flatMap((range) => {
        const key = `cluster-pool-ipv${family}-cidr`;
        if (range.family !== family) return [`${key}: ${range} is no IPv${family} range`];
        return range.length > maskSize
          ? [`${key}: ${range} is smaller than one block of length ${maskSize}`]
          : [];
      }),
    );
  } catch (error) {
    if (error instanceof AddressError) return [error.message];
    throw error;
  }
}
