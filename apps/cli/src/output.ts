// What commands print: a table for people, JSON or YAML with -o. Text from the network or the API is
// stripped of control characters before it reaches a terminal (CVE-2025-48056).
import { type Command, Option } from "commander";

export type Format = "table" | "json" | "yaml";

/** A column of a table: its head, and the cell for a row. */
export type Column<Row> = readonly [head: string, cell: (row: Row) => string | number | undefined];

/** Adds -o to a command. */
export function withOutput(command: Command): Command {
  return command.addOption(
    new Option("-o, --output <format>", "how to print")
      .choices(["table", "json", "yaml"])
      .default("table"),
  );
}

/** Prints rows as the command's -o says. `data` is what JSON and YAML show: the rows unless given. */
export async function printRows<Row>(
  command: Command,
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  data: unknown = rows,
): Promise<void> {
  if (await printStructured(command, data)) return;
  process.stdout.write(table(rows, columns));
}

/** Prints JSON or YAML if the command was asked for it; false when it wants the table. */
export async function printStructured(command: Command, data: unknown): Promise<boolean> {
  const { output } = command.opts<{ output: Format }>();
  if (output === "table") return false;
  if (output === "json") process.stdout.write(`${JSON.stringify(data, undefined, 2)}\n`);
  else process.stdout.write((await import("js-yaml")).dump(data, { noRefs: true }));
  return true;
}

/** Columns as wide as their widest cell, three spaces apart. */
export function table<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): string {
  const lines = [
    columns.map(([head]) => head),
    ...rows.map((row) => columns.map(([, cell]) => printable(String(cell(row) ?? "")))),
  ];
  const widths = columns.map((_, at) =>
    Math.max(...lines.map((line) => (line[at] as string).length)),
  );
  return lines
    .map(
      (line) =>
        `${line
          .map((cell, at) => cell.padEnd(widths[at] as number))
          .join("   ")
          .trimEnd()}\n`,
    )
    .join("");
}

/** Without control characters: they could rewrite what a terminal shows. */
export function printable(text: string): string {
  // oxlint-disable-next-line no-control-regex
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g, "?");
}

/** Lines up "name: value" facts. */
export function facts(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([name]) => name.length)) + 2;
  return rows.map(([name, value]) => `${`${name}:`.padEnd(width)}${printable(value)}\n`).join("");
}
