// How to print, from the flags that say so.
import { CommandError } from "../../../cli/src/failure.ts";
import type { ObserveOptions } from "../commands/observe-options.ts";
import { coloured, colours, noColours } from "../print/colour.ts";
import type { FlowStyle } from "../print/flow-printer.ts";
import { type TimeFormat, timeFormatNamed, timeFormats } from "../time/formats.ts";
import { shownFields } from "./fields.ts";

export type OutputStyle = { readonly format: "json" } | FlowStyle;

/** @throws CommandError for formats that there are not, and for tables of what has no end. */
export function outputStyle(options: ObserveOptions): OutputStyle {
  const format = formatOf(options.output ?? "compact");
  const time = timeOf(options.timeFormat ?? "StampMilli");
  if (format === "json") return { format };
  if (format === "table" && options.follow)
    throw new CommandError(
      "-o table and --follow cannot be combined",
      "A table has its widths when everything is known; compact is a line for each flow.",
    );
  const colour =
    format !== "table" && coloured(options.color ?? "auto", process.stdout, process.env);
  return {
    format,
    time,
    nodes: options.printNodeName === true,
    policies: options.printPolicyNames === true,
    names: options.numeric !== true && options.ipTranslation !== false,
    colours: colour ? colours : noColours,
  };
}

/** Fields to ask for; none: all. @throws CommandError for a mask with a format that shows other fields. */
export function wantedFields(options: ObserveOptions, style: OutputStyle): readonly string[] {
  const mask = options.fieldMask ?? [];
  if (style.format === "json") return mask;
  if (mask.length > 0)
    throw new CommandError(
      `-o ${style.format} and --field-mask cannot be combined: it shows fields of its own`,
      "Use -o jsonpb, or --use-default-field-masks.",
    );
  return options.useDefaultFieldMasks ? shownFields : [];
}

function formatOf(name: string): "compact" | "dict" | "table" | "json" {
  switch (name) {
    case "compact":
    case "dict":
    case "table":
    case "json":
      return name;
    case "tab":
      return "table";
    case "JSON":
    case "jsonpb":
      return "json";
    default:
      throw new CommandError(
        `there is no output format "${name}"`,
        "One of compact, dict, json, jsonpb, table.",
      );
  }
}

function timeOf(name: string): TimeFormat {
  const format = timeFormatNamed(name);
  if (format) return format;
  throw new CommandError(`there is no time format "${name}"`, `One of ${timeFormats.join(", ")}.`);
}
