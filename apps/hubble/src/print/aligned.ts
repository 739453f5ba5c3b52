// Text in columns.

/** Columns as wide as their widest cell, three spaces apart. The cells are printed as they are. */
export function alignedText(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, at) => {
      const width = widthOf(cell);
      if (width > (widths[at] ?? 0)) widths[at] = width;
    });
  }
  return rows.map((row) => `${lineText(row, widths)}\n`).join("");
}

function lineText(row: readonly string[], widths: readonly number[]): string {
  const last = row.length - 1;
  return row
    .map((cell, at) =>
      at === last ? cell : cell + " ".repeat((widths[at] ?? 0) - widthOf(cell) + 3),
    )
    .join("")
    .trimEnd();
}

/** In code points: names of pods and hosts have no wider characters. */
function widthOf(cell: string): number {
  // oxlint-disable-next-line no-control-regex
  if (/^[\u0000-\u007f]*$/.test(cell)) return cell.length;
  return [...cell].length;
}
