// cgroups of a test's own, below the machine's cgroup v2 hierarchy, gone with it.
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Where the hierarchy is mounted: also beside one of version 1. */
export function cgroupMount(): string {
  const mounts = readFileSync("/proc/mounts", "utf8").split("\n");
  const found = mounts.map((line) => line.split(" ")).find(([, , type]) => type === "cgroup2");
  if (found?.[1] === undefined) throw new Error("no cgroup v2 hierarchy is mounted");
  return found[1];
}

export class TestCgroup implements Disposable {
  readonly path: string;

  constructor(name: string) {
    this.path = join(cgroupMount(), `tsit-${process.pid}-${name}`);
    mkdirSync(this.path);
  }

  /** Moves a process here, which must end before the cgroup does. */
  add(pid: number): void {
    writeFileSync(join(this.path, "cgroup.procs"), String(pid));
  }

  [Symbol.dispose](): void {
    if (existsSync(this.path)) rmdirSync(this.path);
  }
}
