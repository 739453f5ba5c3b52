// What the command line says, collected while it is parsed: options may stand before and behind the words of a command
// (`hubble --server X observe`, `hubble observe --server X`), and of filters the order counts.
import { type Command, Option } from "commander";
import { CommandError } from "../../../cli/src/failure.ts";
import type { FilterUse } from "../filters/filters-of.ts";
import { type ConfigKey, configKeys } from "../config/keys.ts";

export type Context = {
  /** Configuration keys that flags set. */
  readonly flags: Record<string, unknown>;
  /** Filter flags, in their order. */
  readonly filters: FilterUse[];
  /** What completion offers as values of options that also take others. */
  readonly completions: Map<Option, readonly string[]>;
};

export function newContext(): Context {
  return { flags: {}, filters: [], completions: new Map() };
}

/** Adds the options of a group of configuration keys. */
export function addConfigOptions(
  command: Command,
  context: Context,
  group: ConfigKey["group"],
): Command {
  for (const key of configKeys as readonly ConfigKey[])
    if (key.group === group) addConfigOption(command, context, key);
  if (group === "Server") addRefusedOptions(command);
  return command;
}

/** Flags of Cilium's `hubble` that we have not, with what to do in their place. */
const refusedFlags = [
  [
    "-P, --port-forward",
    "Forward the port yourself: kubectl -n kube-system port-forward service/hubble-relay 4245:443",
  ],
  [
    "--tls-allow-insecure",
    "Certificates are always verified: name the authority with --tls-ca-cert-files, and the name in the certificate with --tls-server-name.",
  ],
  [
    "--basic-auth-username <string>",
    "Servers know clients by their certificates: --tls-client-cert-file",
  ],
  [
    "--basic-auth-password <string>",
    "Servers know clients by their certificates: --tls-client-cert-file",
  ],
] as const;

function addRefusedOptions(command: Command): void {
  for (const [flags, instead] of refusedFlags) {
    const option = new Option(flags).hideHelp().argParser(() => {
      throw new CommandError(`there is no ${option.long} here`, instead);
    });
    command.addOption(option);
  }
}

/** As addConfigOptions(), for words that only stand before commands which have these options: not in their help. */
export function acceptConfigOptions(command: Command, context: Context): Command {
  for (const key of configKeys as readonly ConfigKey[])
    for (const option of optionsOf(key, context)) command.addOption(option.hideHelp());
  return command;
}

function addConfigOption(command: Command, context: Context, key: ConfigKey): void {
  const [option, ...negations] = optionsOf(key, context);
  if (option) command.addOption(option.helpGroup(`${key.group} flags:`));
  for (const negation of negations) command.addOption(negation.hideHelp());
}

/** `--tls=false` is parsed as --no-tls (commandArguments): it outweighs a variable or file that says true. */
function optionsOf(
  { name, short, kind, help, default: usual }: ConfigKey,
  context: Context,
): Option[] {
  const names = `${short === undefined ? "" : `-${short}, `}--${name}`;
  if (kind === "bool") {
    return [
      new Option(names, help).argParser(() => (context.flags[name] = true)),
      new Option(`--no-${name}`).argParser(() => (context.flags[name] = false)),
    ];
  }
  const value = kind === "duration" ? "<duration>" : kind === "strings" ? "<strings>" : "<string>";
  const described = usual === "" ? help : `${help} (default ${usual})`;
  return [
    new Option(`${names} ${value}`, described).argParser((text: string) => {
      const former = context.flags[name] as string[] | undefined;
      // Several uses of one list flag add up.
      context.flags[name] = kind === "strings" ? [...(former ?? []), ...listed(name, text)] : text;
      return context.flags[name];
    }),
  ];
}

/** Filters are JSON, full of commas; names of files are separated by them. */
function listed(name: string, text: string): string[] {
  return name.endsWith("list") ? [text] : text.split(",").filter((entry) => entry !== "");
}
