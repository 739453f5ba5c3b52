// The settings in force: a flag before an environment variable before the configuration file before the default.
import { CommandError } from "../../../cli/src/failure.ts";
import { parseDuration } from "../time/durations.ts";
import { defaultConfigFile, type Environment, readConfigFile } from "./file.ts";
import { type ConfigName, configKey, configKeys, variableOf } from "./keys.ts";
import { type ConfigValue, configValue } from "./values.ts";

export type Settings = {
  /** Where a setting comes from. */
  source(name: ConfigName): "flag" | "environment" | "file" | "default";
  value(name: ConfigName): ConfigValue;
  text(name: ConfigName): string;
  flag(name: ConfigName): boolean;
  list(name: ConfigName): readonly string[];
  milliseconds(name: ConfigName): number;
};

/**
 * @param flags flags that the command line has, by the names of their keys.
 * @throws CommandError for a configuration file that cannot be read, and values that a key cannot have.
 */
export async function readSettings(
  flags: Readonly<Record<string, unknown>>,
  environment: Environment,
): Promise<Settings> {
  const path = configPath(flags, environment);
  const file = await readConfigFile(path);
  const sources = new Map<string, ReturnType<Settings["source"]>>();
  const values = new Map<string, ConfigValue>();
  for (const key of configKeys) {
    const variable = variableOf(key.name);
    const [source, given, where] = first([
      ["flag", flags[key.name], `--${key.name}`],
      // An empty variable is as good as none, as in Cilium's.
      ["environment", environment[variable] || undefined, variable],
      ["file", file[key.name] ?? undefined, `${key.name} in ${path}`],
    ]) ?? ["default", key.default, key.name];
    sources.set(key.name, source);
    values.set(key.name, configValue(key, given, where));
  }
  values.set("config", path);
  const value = (name: ConfigName) => values.get(name) as ConfigValue;
  return {
    source: (name) => sources.get(name) ?? "default",
    value,
    text: (name) => value(name) as string,
    flag: (name) => value(name) as boolean,
    list: (name) => value(name) as readonly string[],
    milliseconds: (name) => Number((parseDuration(value(name) as string) ?? 0n) / 1_000_000n),
  };
}

/** The configuration file that counts. */
export function configPath(
  flags: Readonly<Record<string, unknown>>,
  environment: Environment,
): string {
  const given = flags["config"] ?? environment[variableOf("config")];
  return typeof given === "string" && given !== "" ? given : defaultConfigFile(environment);
}

/** @throws CommandError for what is no key. */
export function knownKey(name: string) {
  const key = configKey(name);
  if (key) return key;
  throw new CommandError(`there is no key "${name}"`, "`hubble config view` lists them.");
}

type Candidate = [source: "flag" | "environment" | "file", given: unknown, where: string];

function first(candidates: readonly Candidate[]): Candidate | undefined {
  return candidates.find(([, given]) => given !== undefined);
}
