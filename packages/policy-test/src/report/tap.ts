// Results as TAP version 14 (testanything.org).
import type { FileResult } from "../files/run.ts";
import { plain } from "./plain.ts";

export function tapReport(files: readonly FileResult[]): string {
  const results = files.flatMap(({ path, results }) =>
    results.map((result) => ({ path, ...result })),
  );
  const lines = results.flatMap(({ name, passed, message, path, durationMs }, at) => [
    // "#" would begin a directive.
    `${passed ? "ok" : "not ok"} ${at + 1} - ${`${path}: ${name}`.replaceAll("#", "\\#")}`,
    "  ---",
    `  duration_ms: ${durationMs.toFixed(3)}`,
    ...(message === undefined
      ? []
      : ["  message: |-", ...message.split("\n").map((line) => `    ${line}`.trimEnd())]),
    "  ...",
  ]);
  return plain(`${["TAP version 14", ...lines, `1..${results.length}`].join("\n")}\n`);
}
