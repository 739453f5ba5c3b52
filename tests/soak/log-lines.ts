// What the cluster's processes logged as errors, and which of it is what was to be expected of what was done to them.
import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import type { Answer } from "./answers.ts";
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

/** What was seen from outside. */
export type Seen = { readonly faults: readonly Fault[]; readonly answers: readonly Answer[] };

type Explanation = {
  readonly why: string;
  readonly log: RegExp;
  readonly line: RegExp;
  readonly holds: (at: Date, seen: Seen) => boolean;
};

const explanations: readonly Explanation[] = [
  {
    why: "an operator ends that could not renew its lease, since the API server was killed or stopped",
    log: /^operator$/,
    line: /it leads no more/,
    holds: (at, { faults }) =>
      faults.some(
        ({ processes, from }) => processes.includes("apiserver") && isWithin(at, from, 15_000),
      ),
  },
  {
    why: "an operator ends that could not renew its lease, since the API server let us wait as well",
    log: /^operator$/,
    line: /it leads no more/,
    holds: (at, { answers }) =>
      answers.some(({ asked, tookMs }) => tookMs >= 4_000 && isWithin(at, asked, 15_000)),
  },
];

export function readLogs(cluster: Cluster, seen: Seen): LogFindings {
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
        (each) => each.log.test(name) && each.line.test(line) && each.holds(timeOf(line), seen),
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

function timeOf(line: string): Date {
  return new Date((JSON.parse(line) as { time?: string }).time ?? "");
}

function isWithin(at: Date, since: Date, ms: number): boolean {
  const sinceMs = at.getTime() - since.getTime();
  return sinceMs >= 0 && sinceMs <= ms;
}
