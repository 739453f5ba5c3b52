// Every row of docs/security.md is shown by a test that exists, or says why it is not.
//   node tools/security.ts
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { complaintsAbout, referencesIn, rowsOf } from "./security-rows.ts";

const root = join(import.meta.dirname, "..");
const page = "docs/security.md";
const read = (path: string) =>
  existsSync(join(root, path)) ? readFileSync(join(root, path), "utf8") : undefined;

const rows = rowsOf(read(page) ?? "");
const complaints = rows.flatMap((row) =>
  complaintsAbout(row, read).map((complaint) => `${page}:${row.line}: ${complaint}`),
);
if (rows.length === 0) complaints.push(`${page}: no rows`);
for (const line of complaints) console.error(line);
const shown = rows.filter(({ shownBy }) => referencesIn(shownBy).length > 0).length;
console.log(`${rows.length} cases, ${shown} with tests, ${complaints.length} complaints`);
process.exitCode = complaints.length > 0 ? 1 : 0;
