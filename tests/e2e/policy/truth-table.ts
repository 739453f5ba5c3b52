// What was expected of every pair and what was observed, as text.
import type { Probe } from "./plan.ts";

const columns = ["tcp/80", "tcp/81", "udp/80", "udp/81", "icmp"];
const mostReasons = 12;

/**
 * "" when all is as expected. Otherwise a table per family that is not, and the first few probes that differ with the
 * evaluator's reasons:
 *
 *   IPv4: from row to column, tcp/80 tcp/81 udp/80 udp/81 icmp; 1 through, . stopped; expected/observed where they differ
 *            x/a           x/b
 *   x/a                    11...
 *   x/b      11111/.1111
 */
export function differences(probes: readonly Probe[]): string {
  const wrong = probes.filter(({ expected, observed }) => expected !== observed);
  if (wrong.length === 0) return "";
  const families = [...new Set(wrong.map(({ family }) => family))].sort();
  const tables = families.map((family) =>
    truthTable(
      `IPv${family}: from row to column, ${columns.join(" ")}; 1 through, . stopped; expected/observed where they differ`,
      probes.filter((probe) => probe.family === family),
    ),
  );
  const reasons = wrong.slice(0, mostReasons).map(reasonOf);
  const rest = wrong.length > mostReasons ? [`... and ${wrong.length - mostReasons} more`] : [];
  return ["", ...tables, ...reasons, ...rest].join("\n");
}

function truthTable(title: string, probes: readonly Probe[]): string {
  const rows = unique(probes.map(({ from }) => from));
  const heads = unique(probes.map(({ to }) => to));
  const cells = rows.map((from) => [
    from,
    ...heads.map((to) => cellOf(probes.filter((probe) => probe.from === from && probe.to === to))),
  ]);
  const lines = [["", ...heads], ...cells];
  const widths = ["", ...heads].map((_, at) =>
    Math.max(...lines.map((line) => line[at]?.length ?? 0)),
  );
  const text = lines.map((line) =>
    line
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join("  ")
      .trimEnd(),
  );
  return [title, ...text].join("\n");
}

/** "11..1", or "11..1/.1..1". */
function cellOf(probes: readonly Probe[]): string {
  const ofColumns = columns.flatMap((what) => probes.find((probe) => probe.what === what) ?? []);
  const mark = (through: boolean) => (through ? "1" : ".");
  const expected = ofColumns.map((probe) => mark(probe.expected)).join("");
  const observed = ofColumns.map((probe) => mark(probe.observed)).join("");
  return expected === observed ? expected : `${expected}/${observed}`;
}

function reasonOf({ from, to, family, what, expected, observed, answer }: Probe): string {
  const word = (through: boolean) => (through ? "through" : "stopped");
  return `${from} -> ${to} ${what} IPv${family}: ${word(expected)} by ${answer.why}, and was ${word(observed)}`;
}

function unique(names: readonly string[]): string[] {
  return [...new Set(names)];
}
