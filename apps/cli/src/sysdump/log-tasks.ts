// What processes logged last.
import { closeSync, existsSync, fstatSync, openSync, readdirSync, readSync } from "node:fs";
import { join } from "node:path";
import type { Task } from "./collect.ts";

/** Of each log in a folder, its end; a folder that is not there has none. */
export function logTasks(
  folder: string,
  { name, maxBytes }: { readonly name: string; readonly maxBytes: number },
): Task[] {
  const files = existsSync(folder) ? readdirSync(folder) : [];
  return files
    .filter((file) => file.endsWith(".log"))
    .map((file) => ({
      name: `${name}/${file}`,
      read: () => ({ kind: "lines", text: tail(join(folder, file), maxBytes) }) as const,
    }));
}

/** Whole lines, unless one is longer than that. */
function tail(path: string, maxBytes: number): string {
  const fd = openSync(path, "r");
  try {
    const { size } = fstatSync(fd);
    const bytes = Buffer.alloc(Math.min(size, maxBytes));
    const length = readSync(fd, bytes, 0, bytes.length, size - bytes.length);
    const text = bytes.toString("utf8", 0, length);
    return size > maxBytes ? text.slice(text.indexOf("\n") + 1) : text;
  } finally {
    closeSync(fd);
  }
}
