// The flags of `hubble observe` besides filters.
import { type Command, InvalidArgumentError, Option } from "commander";
import type { WhenColoured } from "../print/colour.ts";
import { filterFlags } from "../filters/flags.ts";
import { timeFormats } from "../time/formats.ts";
import type { Context } from "./context.ts";

/** What commander collects; see the help for their meaning. Defaults are ours to fill in: `observe flows` inherits from `observe`. */
export type ObserveOptions = {
  readonly all?: boolean;
  readonly first?: bigint;
  readonly last?: bigint;
  readonly follow?: boolean;
  readonly since?: string;
  readonly until?: string;
  readonly output?: string;
  readonly printNodeName?: boolean;
  readonly printPolicyNames?: boolean;
  readonly timeFormat?: string;
  readonly numeric?: boolean;
  readonly ipTranslation?: boolean;
  readonly color?: WhenColoured;
  readonly fieldMask?: readonly string[];
  readonly useDefaultFieldMasks?: boolean;
  readonly inputFile?: string;
  readonly printRawFilters?: boolean;
  readonly silentErrors?: boolean;
};

export const flowFormats = ["compact", "dict", "json", "jsonpb", "table"];

export function addSelectorOptions(command: Command): Command {
  return grouped(command, "Selector flags:", [
    new Option("--all", "all that is kept: it may be a lot, so better with filters"),
    new Option("--first <n>", "the first N; of relay: of each node").argParser(count),
    new Option("--last <n>", "the last N (default 20); of relay: of each node").argParser(count),
    new Option("-f, --follow", "go on with what happens now, until Ctrl-C"),
    new Option("--since <moment>", "since then: 90s, 1h30m, 2d ago, or a date and time"),
    new Option("--until <moment>", "until then: as --since"),
  ]);
}

export function addFormatOptions(command: Command, context: Context): Command {
  const timeFormat = new Option(
    "--time-format <format>",
    `how to print times, in UTC: ${timeFormats.join(", ")} (default StampMilli)`,
  );
  const output = new Option("-o, --output <format>", outputHelp);
  context.completions.set(timeFormat, timeFormats).set(output, flowFormats);
  return grouped(command, "Format flags:", [
    output,
    new Option("--print-node-name", "names of nodes too"),
    timeFormat,
  ]);
}

export function addFlowFormatOptions(command: Command): Command {
  return grouped(command, "Format flags:", [
    new Option("--print-policy-names", "names of the policies behind policy verdicts too"),
    new Option(
      "--color <when>",
      "colours in compact and dict (default auto: on terminals)",
    ).choices(["auto", "always", "never"]),
    new Option(
      "--ip-translation",
      "names of pods, services and DNS in place of addresses (default true)",
    ),
    new Option("--no-ip-translation", "addresses"),
    new Option("--numeric", "numbers and addresses, no names"),
  ]);
}

export function addOtherOptions(command: Command): Command {
  return grouped(command, "Other flags:", [
    new Option(
      "--input-file <file>",
      "flows from a file that -o jsonpb made, - for stdin, not from a server",
    ),
    new Option(
      "--print-raw-filters",
      "print the filters as --allowlist and --denylist take them, and ask nobody",
    ),
    new Option("-s, --silent-errors", "nothing on stderr of nodes that are not reached"),
    new Option(
      "--field-mask <fields>",
      "only these fields, by commas; with -o jsonpb: time,source.pod_name,verdict",
    ).argParser(fields),
    new Option(
      "--use-default-field-masks",
      "have the server send only what compact, dict or table show",
    ),
    // Their names until Cilium 1.18.
    new Option("--experimental-field-mask <fields>")
      .argParser((text: string, former?: string[]) => {
        const all = fields(text, former);
        command.setOptionValue("fieldMask", all);
        return all;
      })
      .hideHelp(),
    new Option("--experimental-use-default-field-masks")
      .argParser(() => command.setOptionValue("useDefaultFieldMasks", true))
      .hideHelp(),
  ]);
}

export function addFilterOptions(command: Command, context: Context): Command {
  for (const flag of filterFlags) {
    const names = `${flag.short === undefined ? "" : `-${flag.short}, `}--${flag.name}`;
    const value = flag.implied === undefined ? " <filter>" : "";
    const option = new Option(names + value, flag.help).argParser((text: string | undefined) => {
      const given = text ?? flag.implied ?? "";
      // Here, so that the message names the flag.
      if (flag.adds.kind === "field") flag.adds.parse(given);
      context.filters.push({ flag, value: given });
      return given;
    });
    if (flag.completions) context.completions.set(option, flag.completions);
    command.addOption(option.helpGroup("Filter flags:"));
  }
  return command;
}

const outputHelp =
  "compact (the default: a line each), dict (a block each), json or jsonpb (a JSON object a line), table (columns)";

function grouped(command: Command, heading: string, options: readonly Option[]): Command {
  for (const option of options) command.addOption(option.helpGroup(heading));
  return command;
}

function count(text: string): bigint {
  if (/^\d{1,20}$/.test(text) && BigInt(text) < 1n << 64n) return BigInt(text);
  throw new InvalidArgumentError("A whole number.");
}

function fields(text: string, former: readonly string[] = []): string[] {
  return [...former, ...text.split(",").map((field) => field.trim())].filter(
    (field) => field !== "",
  );
}
