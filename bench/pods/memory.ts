// Resident memory of a process and its descendants, as /proc tells it.
import { readdirSync, readFileSync } from "node:fs";

/** VmRSS of `pid` and everything below it, bytes; processes that end meanwhile count nothing. */
export function residentBytes(pid: number): number {
  const children = childrenByParent();
  const total = (process: number): number =>
    ownResidentBytes(process) +
    (children.get(process) ?? []).reduce((sum, child) => sum + total(child), 0);
  return total(pid);
}

function ownResidentBytes(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(read(pid))?.[1];
  return Number(kilobytes ?? 0) * 1024;
}

function childrenByParent(): ReadonlyMap<number, readonly number[]> {
  const pids = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
  return Map.groupBy(pids, (pid) => Number(/^PPid:\s+(\d+)$/m.exec(read(pid))?.[1] ?? 0));
}

function read(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, "utf8");
  } catch {
    return "";
  }
}
