// Values of configuration keys: from the texts of flags and variables, and from what YAML made of a file, to what they mean.
import { CommandError } from "../../../cli/src/failure.ts";
import { parseDuration } from "../time/durations.ts";
import type { ConfigKey } from "./keys.ts";

/** A string, a boolean, a duration as Go writes it ("5s"), or a list of strings. */
export type ConfigValue = string | boolean | readonly string[];

/**
 * @param where "--timeout", "HUBBLE_TIMEOUT", "timeout in /root/.config/hubble/config.yaml"
 * @throws CommandError for what the key cannot be.
 */
export function configValue(key: ConfigKey, given: unknown, where: string): ConfigValue {
  const value = valueOf(key, given);
  if (value !== undefined) return value;
  throw new CommandError(`${where}: ${quoted(given)} is ${kinds[key.kind]}`, hints[key.kind]);
}

const kinds = {
  string: "no text",
  bool: "neither true nor false",
  duration: "no duration",
  strings: "no list of texts",
} as const;

const hints = {
  string: "Put it in quotes.",
  bool: "Write true or false.",
  duration: "Write it as 5s, 1m30s or 500ms.",
  strings: "Separate them by commas; in the file, write a YAML list.",
} as const;

function valueOf(key: ConfigKey, given: unknown): ConfigValue | undefined {
  switch (key.kind) {
    case "string":
      return typeof given === "string" || typeof given === "number" ? String(given) : undefined;
    case "bool":
      return typeof given === "boolean" ? given : parseBoolean(given);
    case "duration": {
      const duration = typeof given === "string" ? parseDuration(given) : undefined;
      return duration !== undefined && duration >= 0n ? (given as string) : undefined;
    }
    case "strings":
      return listOf(key, given);
  }
}

/** Filters are JSON, full of commas: a text of them is one entry. Names of files are separated by commas. */
function listOf(key: ConfigKey, given: unknown): readonly string[] | undefined {
  if (Array.isArray(given))
    return given.every((entry) => typeof entry === "string") ? given : undefined;
  if (typeof given !== "string") return undefined;
  if (key.group === "Raw filters") return given.trim() === "" ? [] : [given];
  return given
    .replace(/^\[(.*)\]$/, "$1")
    .split(",")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "");
}

/** As Go reads booleans; undefined for what is none. */
export function parseBoolean(text: unknown): boolean | undefined {
  if (typeof text !== "string") return undefined;
  if (/^(1|t|T|true|TRUE|True)$/.test(text)) return true;
  if (/^(0|f|F|false|FALSE|False)$/.test(text)) return false;
  return undefined;
}

function quoted(given: unknown): string {
  return JSON.stringify(given) ?? String(given);
}
