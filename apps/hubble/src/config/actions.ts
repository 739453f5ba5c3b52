// What `hubble config` does.
import type { Context } from "../commands/context.ts";
import { serverAddress } from "../client/server-address.ts";
import { CommandError } from "../../../cli/src/failure.ts";
import { readConfigFile, writeConfigFile } from "./file.ts";
import { type ConfigName, configKeys } from "./keys.ts";
import { configPath, knownKey, readSettings, type Settings } from "./settings.ts";
import { type ConfigValue, configValue } from "./values.ts";

/** Prints all settings as YAML. */
export async function view({ flags }: Context): Promise<void> {
  const settings = await readSettings(flags, process.env);
  const values = configKeys.map(({ name }) => [name, valueInForce(settings, name)] as const);
  await printYaml(Object.fromEntries(values.toSorted(([one], [other]) => (one < other ? -1 : 1))));
}

/** Prints one setting, or without a name all. */
export async function get(context: Context, name: string | undefined): Promise<void> {
  if (name === undefined) return view(context);
  const settings = await readSettings(context.flags, process.env);
  const value = valueInForce(settings, knownKey(name).name as ConfigName);
  if (typeof value === "string") process.stdout.write(`${value}\n`);
  else await printYaml(value);
}

/** Writes one into the file; without a value removes it. @throws CommandError for a value that the key cannot have. */
export async function set(
  { flags }: Context,
  name: string,
  text: string | undefined,
): Promise<void> {
  const key = knownKey(name);
  const path = configPath(flags, process.env);
  const { [name]: _former, ...rest } = await readConfigFile(path);
  const value = text === undefined || text === "" ? undefined : configValue(key, text, name);
  await writeConfigFile(path, value === undefined ? rest : { ...rest, [name]: value });
}

/** Removes one from the file, or without a name all. */
export async function reset(context: Context, name: string | undefined): Promise<void> {
  if (name !== undefined) return set(context, name, undefined);
  await writeConfigFile(configPath(context.flags, process.env), {});
}

function valueInForce(settings: Settings, name: ConfigName): ConfigValue {
  if (name !== "server") return settings.value(name);
  try {
    return serverAddress(settings, process.env);
  } catch (error) {
    // A lab that is not there: what would be asked for is still of interest.
    if (error instanceof CommandError) return settings.text("server");
    throw error;
  }
}

async function printYaml(value: unknown): Promise<void> {
  const { dump } = await import("js-yaml");
  process.stdout.write(dump(value, { noRefs: true }));
}
