// What processes logged last.
import { closeSync, fstatSync, openSync, readdirSync, readSync } from "node:fs";
import { join } from "node:path";
import type { Task } from "./collect.ts";

/** Of each log in a folder, its end. */
export function logTasks(folder: string, maxBytes: number): Task[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith(".log"))
    .map((file) => ({
      name: `logs/${file}`,
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
