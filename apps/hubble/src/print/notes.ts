// What is said on stderr beside the answers.
import { printable } from "../../../cli/src/output.ts";
import type { Settings } from "../config/settings.ts";

/** Something that does not end the command. */
export function warn(text: string): void {
  process.stderr.write(`warning: ${printable(text)}\n`);
}

/** Something that only --debug wants to know. */
export function debug(settings: Settings, text: string): void {
  if (settings.flag("debug")) process.stderr.write(`debug: ${printable(text)}\n`);
}
