// What the cluster's processes logged as errors, and which of it is what was to be expected of what was done to them.
import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import type { Cluster } from "./cluster.ts";
import type { Fault } from "./faults.ts";

export type LogFindings = {
  /** Lines at level error or above, and what is no line of a log, that nothing here explains. */
  readonly unexplained: readonly string[];
  /** Explanation -> lines. */
  readonly explained: Readonly<Record<string, number>>;
  /** Process -> lines at level warn. */
  readonly warnings: Readonly<Record<string, number>>;
};

type Explanation = {
  readonly why: string;
  readonly log: RegExp;
  readonly line: RegExp;
  /** The process that was killed or stopped within `withinMs` before the line. */
  readonly after: string;
  readonly withinMs: number;
};

const explanations: readonly Explanation[] = [
  {
    why: "an operator that could not renew its lease ends",
    log: /^operator$/,
    line: /it leads no more/,
    after: "apiserver",
    withinMs: 15_000,
  },
];

export function readLogs(cluster: Cluster, faults: readonly Fault[]): LogFindings {
  const unexplained: string[] = [];
  const explained: Record<string, number> = {};
  const warnings: Record<string, number> = {};
  const { logs } = cluster.layout;
  for (const file of readdirSync(logs)) {
    const name = basename(file, ".log");
    for (const line of readFileSync(join(logs, file), "utf8").split("\n").filter(Boolean)) {
      const level = levelOf(name, line);
      if (level === "warn") warnings[name] = (warnings[name] ?? 0) + 1;
      if (level !== "error") continue;
      const found = explanations.find(
        (each) => each.log.test(name) && each.line.test(line) && follows(line, each, faults),
      );
      if (found) explained[found.why] = (explained[found.why] ?? 0) + 1;
      else unexplained.push(`${name}: ${line}`);
    }
  }
  return { unexplained, explained, warnings };
}

function levelOf(name: string, line: string): "error" | "warn" | "other" {
  // The daemon writes sentences.
  if (name === "daemon") return /\bfault: /.test(line) ? "error" : "other";
  try {
    const { level } = JSON.parse(line) as { level?: string };
    return level === "error" || level === "fatal" ? "error" : level === "warn" ? "warn" : "other";
  } catch {
    return "error"; // a stack that nobody caught
  }
}

function follows(line: string, { after, withinMs }: Explanation, faults: readonly Fault[]) {
  const { time = "" } = JSON.parse(line) as { time?: string };
  return faults.some(({ processes, from }) => {
    const sinceMs = Date.parse(time) - from.getTime();
    return processes.includes(after) && sinceMs >= 0 && sinceMs <= withinMs;
  });
}
