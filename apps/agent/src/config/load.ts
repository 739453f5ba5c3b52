// Reads the configuration: flags, then environment, then a folder with one file per key (a mounted
// ConfigMap), then defaults; the first that has a key wins. Every problem is reported, not just the first.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type AgentConfig, type KeyName, keys } from "./keys.ts";
import { suggest } from "./suggest.ts";
import type { Key } from "./values.ts";

export type ConfigSource = "flag" | "environment" | "config-dir" | "default";

export type LoadedConfig = {
  readonly values: AgentConfig;
  readonly sources: Readonly<Record<KeyName, ConfigSource>>;
};

/** The configuration cannot be used. `problems` has one sentence for each thing that is wrong. */
export class ConfigError extends Error {
  readonly code = "config_invalid";
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join("\n"));
    this.name = "ConfigError";
    this.problems = problems;
  }
}

/** One setting as found, before its key is known to exist. */
type Setting = { key: string; text: string; source: ConfigSource; where: string };

const configDirFlag = "config-dir";
/** Variables with our prefixes that configure other things than the agent. */
const otherVariables = new Set(["TSILIUM_ROOT", "TSILIUM_LAB"]);
/** Kubernetes puts SERVICE_HOST and PORT variables of every service into a pod's environment. */
const serviceLink = /_SERVICE_(HOST|PORT.*)$|_PORT(_[0-9]+_(TCP|UDP|SCTP).*)?$/;

/**
 * Loads and checks the configuration.
 * @param args the command line after the program's name.
 * @throws ConfigError with every unknown key (and the nearest known one) and every unreadable value.
 */
export function loadConfig(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): LoadedConfig {
  const problems: string[] = [];
  const flags = readFlags(args, problems);
  const folder = flags.find(({ key }) => key === configDirFlag)?.text;
  const settings = [
    ...flags.filter(({ key }) => key !== configDirFlag),
    ...readEnvironment(environment),
    ...(folder === undefined ? [] : readFolder(folder, problems)),
  ];
  const loaded = apply(settings, problems);
  if (problems.length === 0) problems.push(...contradictions(loaded.values));
  if (problems.length > 0) throw new ConfigError(problems);
  return loaded;
}

/** Text for --help. */
export function describeKeys(): string {
  const lines = Object.entries<Key<unknown>>(keys).map(
    ([name, key]) =>
      `  --${name} ${key.kind}\n        ${key.help} (default ${showValue(key.fallback)})`,
  );
  return ["  --config-dir folder\n        one file per key, as a mounted ConfigMap", ...lines].join(
    "\n",
  );
}

/** Every key with its value, where that comes from, and what it means: the body of /v1/config. */
export function configView({ values, sources }: LoadedConfig): object {
  return Object.fromEntries(
    Object.entries<Key<unknown>>(keys).map(([name, { kind, help }]) => [
      name,
      {
        value: values[name as KeyName] ?? "",
        source: sources[name as KeyName],
        kind,
        help,
      },
    ]),
  );
}

/** A value as the configuration writes it. */
function showValue(value: unknown): string {
  if (value === undefined || value === "") return '""';
  return Array.isArray(value) ? value.join(",") : String(value);
}

function apply(settings: readonly Setting[], problems: string[]): LoadedConfig {
  const values: Record<string, unknown> = {};
  const sources: Record<string, ConfigSource> = {};
  for (const [name, key] of Object.entries<Key<unknown>>(keys)) {
    values[name] = key.fallback;
    sources[name] = "default";
  }
  for (const setting of settings) {
    if (!isKey(setting.key)) {
      problems.push(unknownKey(setting));
      continue;
    }
    // Settings come strongest first.
    if (sources[setting.key] !== "default") continue;
    try {
      values[setting.key] = keys[setting.key].parse(setting.text);
      sources[setting.key] = setting.source;
    } catch (error) {
      problems.push(
        `${setting.where}: ${setting.key}: ${(error as Error).message}, got "${setting.text}"`,
      );
    }
  }
  return { values: values as AgentConfig, sources: sources as Record<KeyName, ConfigSource> };
}

function readFlags(args: readonly string[], problems: string[]): Setting[] {
  const settings: Setting[] = [];
  for (let at = 0; at < args.length; at++) {
    const written = args[at] as string;
    const match = /^--([^=]+)(?:=(.*))?$/s.exec(written);
    if (!match) {
      problems.push(`"${written}" is not a flag: wanted --key value`);
      continue;
    }
    const key = match[1] as string;
    const following = args[at + 1];
    const bare = match[2] === undefined;
    const alone = bare && (following === undefined || standsAlone(key, following));
    if (alone && !isSwitch(key)) {
      problems.push(`--${key} has no value`);
      continue;
    }
    if (bare && !alone) at++;
    const text = alone ? "true" : ((bare ? following : match[2]) as string);
    settings.push({ key, text, source: "flag", where: `--${key}` });
  }
  // The last of two equal flags counts, as everywhere.
  return settings.toReversed();
}

function isSwitch(key: string): boolean {
  return isKey(key) && keys[key].kind === "boolean";
}

/** "--enable-ipv6 --mtu 1500": a switch that is followed by no value of its own. */
function standsAlone(key: string, following: string): boolean {
  return (
    following.startsWith("--") || (isSwitch(key) && !/^(true|false|t|f|0|1)$/i.test(following))
  );
}

function readEnvironment(environment: Readonly<Record<string, string | undefined>>): Setting[] {
  const settings: Setting[] = [];
  const add = (key: string, name: string) => {
    const text = environment[name];
    if (text !== undefined) settings.push({ key, text, source: "environment", where: `$${name}` });
  };
  for (const prefix of ["TSILIUM_", "CILIUM_"]) {
    for (const name of Object.keys(environment).toSorted()) {
      if (!name.startsWith(prefix) || otherVariables.has(name)) continue;
      const key = keyOfVariable(name.slice(prefix.length));
      if (isKey(key) || !serviceLink.test(name)) add(key, name);
    }
  }
  for (const [key, { environment: variable }] of Object.entries<Key<unknown>>(keys)) {
    if (variable !== undefined) add(key, variable);
  }
  return settings;
}

function readFolder(folder: string, problems: string[]): Setting[] {
  try {
    return (
      readdirSync(folder)
        // Kubernetes keeps the files themselves in "..data" and links to them.
        .filter((name) => !name.startsWith("."))
        .map((name) => {
          const path = join(folder, name);
          return {
            key: name,
            text: readFileSync(path, "utf8").trim(),
            source: "config-dir" as const,
            where: path,
          };
        })
    );
  } catch (error) {
    problems.push(`--${configDirFlag}: ${(error as Error).message}`);
    return [];
  }
}

/** Settings that are fine one by one and senseless together. */
function contradictions(config: AgentConfig): string[] {
  const problems: string[] = [];
  if (!config["enable-ipv4"] && !config["enable-ipv6"]) {
    problems.push("enable-ipv4 and enable-ipv6 are both false: pods would have no address");
  }
  const masquerades = config["enable-ipv4-masquerade"] || config["enable-ipv6-masquerade"];
  if (masquerades && !config["enable-bpf-masquerade"]) {
    problems.push(
      "enable-bpf-masquerade is false: masquerading exists in eBPF only; also set enable-ipv4-masquerade and enable-ipv6-masquerade to false",
    );
  }
  if (config["auto-direct-node-routes"] && config["routing-mode"] === "tunnel") {
    problems.push("auto-direct-node-routes needs routing-mode native");
  }
  return problems;
}

function keyOfVariable(rest: string): string {
  return rest.toLowerCase().replaceAll("_", "-");
}

function isKey(name: string): name is KeyName {
  return Object.hasOwn(keys, name);
}

function unknownKey({ key, where }: Setting): string {
  const nearest = suggest(key, Object.keys(keys));
  return `${where}: unknown key "${key}"${nearest ? `, did you mean "${nearest}"?` : ""}`;
}
