// Reads the configuration: flags, then environment, then what overrides the folder, then a folder with one file per key (a
// mounted ConfigMap), then defaults; the first that has a key wins. Every problem is reported, not just the first.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { suggest } from "./suggest.ts";
import { durationText, type Key } from "./values.ts";

/** Every key that a process knows. */
export type Keys = Readonly<Record<string, Key<unknown>>>;

export type ValuesOf<K extends Keys> = {
  readonly [Name in keyof K]: K[Name] extends Key<infer T> ? T : never;
};

/** The object that a value comes from, where it is one: "cilium-node-config:kube-system/fast". */
export type OverrideSource = `cilium-node-config:${string}`;
export type ConfigSource = "flag" | "environment" | OverrideSource | "config-dir" | "default";

/** A setting for this process that stands above the folder, which is the same for all. */
export type Override = {
  readonly key: string;
  readonly text: string;
  readonly source: OverrideSource;
};

export type LoadedKeys<K extends Keys> = {
  readonly values: ValuesOf<K>;
  readonly sources: Readonly<Record<keyof K, ConfigSource>>;
  /** Overrides that are not in force, a sentence each that says why. */
  readonly ignored: readonly string[];
};

export type LoadOptions<K extends Keys> = {
  /** The command line after the program's name. */
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Environment and folder also hold keys of others, which are no errors. An unknown flag always is one. */
  readonly shared: boolean;
  /** Strongest first. One that cannot be used is reported and passed over: the rest of the process's settings stand. */
  readonly overrides?: readonly Override[];
  /** Settings that are fine one by one and senseless together, a sentence each. */
  readonly contradictions: (values: ValuesOf<K>) => readonly string[];
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
/** Variables with our prefixes that configure no process. */
const otherVariables = new Set(["TSILIUM_ROOT", "TSILIUM_LAB"]);
/** Kubernetes puts SERVICE_HOST and PORT variables of every service into a pod's environment. */
const serviceLink = /_SERVICE_(HOST|PORT.*)$|_PORT(_[0-9]+_(TCP|UDP|SCTP).*)?$/;

/**
 * Loads and checks a process's configuration.
 * @throws ConfigError with every unknown key (and the nearest known one) and every unreadable value.
 */
export function loadKeys<K extends Keys>(keys: K, options: LoadOptions<K>): LoadedKeys<K> {
  const { args, environment, shared, contradictions } = options;
  const problems: string[] = [];
  const flags = readFlags(keys, args, problems);
  const folder = flags.find(({ key }) => key === configDirFlag)?.text;
  const ignored: string[] = [];
  const around = [
    ...readEnvironment(keys, environment),
    ...readOverrides(keys, options.overrides ?? [], ignored),
    ...(folder === undefined ? [] : readFolder(folder, problems)),
  ];
  const settings = [
    ...flags.filter(({ key }) => key !== configDirFlag),
    ...(shared ? around.filter(({ key }) => Object.hasOwn(keys, key)) : around),
  ];
  const loaded = { ...apply(keys, settings, problems), ignored };
  for (const { key, source, where } of settings.filter(isOverride))
    if (loaded.sources[key] !== source)
      ignored.push(`${where}: ${key}: the ${loaded.sources[key]} is stronger`);
  if (problems.length === 0) problems.push(...contradictions(loaded.values));
  if (problems.length > 0) throw new ConfigError(problems);
  return loaded;
}

/** Text for --help. */
export function describeKeys(keys: Keys): string {
  const lines = Object.entries(keys).map(([name, key]) => {
    const fallback = defaultText(key);
    const end = fallback === "" ? "" : ` (default ${fallback})`;
    return `  --${name} ${key.kind}\n        ${key.help}${end}`;
  });
  return ["  --config-dir folder\n        one file per key, as a mounted ConfigMap", ...lines].join(
    "\n",
  );
}

/** A default as the configuration writes it; "" for an empty one, whose meaning the help says. */
export function defaultText({ kind, fallback, follows }: Key<unknown>): string {
  if (follows !== undefined) return `as ${follows}`;
  if (kind === "duration") return durationText(fallback as number);
  return Array.isArray(fallback) ? fallback.join(",") : String(fallback ?? "");
}

function apply<K extends Keys>(
  keys: K,
  settings: readonly Setting[],
  problems: string[],
): Omit<LoadedKeys<K>, "ignored"> {
  const values: Record<string, unknown> = {};
  const sources: Record<string, ConfigSource> = {};
  for (const [name, key] of Object.entries(keys)) {
    values[name] = key.fallback;
    sources[name] = "default";
  }
  for (const setting of settings) {
    const key = keyOf(keys, setting.key);
    if (!key) {
      problems.push(unknownKey(keys, setting));
      continue;
    }
    // Settings come strongest first.
    if (sources[setting.key] !== "default") continue;
    try {
      values[setting.key] = key.parse(setting.text);
      sources[setting.key] = setting.source;
    } catch (error) {
      problems.push(
        `${setting.where}: ${setting.key}: ${(error as Error).message}, got "${setting.text}"`,
      );
    }
  }
  for (const [name, { follows }] of Object.entries(keys))
    if (follows !== undefined && sources[name] === "default") values[name] = values[follows];
  return { values: values as ValuesOf<K>, sources: sources as Record<keyof K, ConfigSource> };
}

function isOverride({ source }: Setting): boolean {
  return source.startsWith("cilium-node-config:");
}

/** Only what can be used: a process must not fail to start for what somebody wrote into an object. */
function readOverrides(
  keys: Keys,
  overrides: readonly Override[],
  ignored: string[],
): readonly Setting[] {
  return overrides.flatMap(({ key, text, source }) => {
    const setting: Setting = { key, text: text.trim(), source, where: source };
    const known = keyOf(keys, key);
    if (!known) {
      ignored.push(unknownKey(keys, setting));
      return [];
    }
    try {
      known.parse(setting.text);
      return [setting];
    } catch (error) {
      ignored.push(`${source}: ${key}: ${(error as Error).message}, got "${setting.text}"`);
      return [];
    }
  });
}

function readFlags(keys: Keys, args: readonly string[], problems: string[]): Setting[] {
  const settings: Setting[] = [];
  const isSwitch = (name: string) => keyOf(keys, name)?.kind === "boolean";
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
    const alone = bare && (following === undefined || standsAlone(isSwitch(key), following));
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

/** "--enable-ipv6 --mtu 1500": a switch that is followed by no value of its own. */
function standsAlone(isSwitch: boolean, following: string): boolean {
  return following.startsWith("--") || (isSwitch && !/^(true|false|t|f|0|1)$/i.test(following));
}

function readEnvironment(
  keys: Keys,
  environment: Readonly<Record<string, string | undefined>>,
): Setting[] {
  const settings: Setting[] = [];
  const add = (key: string, name: string) => {
    const text = environment[name];
    if (text !== undefined) settings.push({ key, text, source: "environment", where: `$${name}` });
  };
  for (const prefix of ["TSILIUM_", "CILIUM_"]) {
    for (const name of Object.keys(environment).toSorted()) {
      if (!name.startsWith(prefix) || otherVariables.has(name)) continue;
      const key = keyOfVariable(name.slice(prefix.length));
      if (keyOf(keys, key) || !serviceLink.test(name)) add(key, name);
    }
  }
  for (const [key, { environment: variable }] of Object.entries(keys)) {
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

function keyOfVariable(rest: string): string {
  return rest.toLowerCase().replaceAll("_", "-");
}

function keyOf(keys: Keys, name: string): Key<unknown> | undefined {
  return Object.hasOwn(keys, name) ? keys[name] : undefined;
}

function unknownKey(keys: Keys, { key, where }: Setting): string {
  const nearest = suggest(key, Object.keys(keys));
  return `${where}: unknown key "${key}"${nearest ? `, did you mean "${nearest}"?` : ""}`;
}
