// What a bench found: named numbers, printed as tables for people or as one JSON document.

export type Cell = string | number;

export type Section = {
  readonly title: string;
  /** What the numbers mean and under what conditions they were taken. */
  readonly note: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
};

/** A section as text: first column left, the others right. */
export function formatSection({ title, note, columns, rows }: Section): string {
  const lines = [columns, ...rows.map((row) => row.map(String))];
  const widths = columns.map((_, column) =>
    Math.max(...lines.map((line) => (line[column] ?? "").length)),
  );
  const format = (line: readonly string[]) =>
    line
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join("  ");
  return [`\n## ${title}`, note, "", ...lines.map(format)].join("\n");
}

/** 1.0634 -> "1.06x" */
export const times = (ratio: number) => `${ratio.toFixed(2)}x`;

/** Nanoseconds as microseconds. */
export const microseconds = (ns: number) => (ns / 1000).toFixed(1);
