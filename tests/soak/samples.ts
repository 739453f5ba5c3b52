// What is measured all the time: memory and descriptors of the cluster's processes, and how much the kernel's tables of
// connections hold.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { BpfMap } from "@tsilium/ebpf";
import type { Cluster } from "./cluster.ts";

export type ProcessSample = {
  /** Since the beginning. */
  readonly atMs: number;
  readonly process: string;
  readonly pid: number;
  /** Since it started. */
  readonly ageMs: number;
  readonly rssKiB: number;
  readonly descriptors: number;
};

export type TableSample = {
  readonly atMs: number;
  readonly node: string;
  /** Entries of both families. */
  readonly connections: number;
  readonly translations: number;
};

/** Clock ticks of /proc/PID/stat: USER_HZ, always 100. */
const ticksPerSecond = 100;

export class Samples implements Disposable {
  readonly processes: ProcessSample[] = [];
  readonly tables: TableSample[] = [];
  readonly #cluster: Cluster;
  readonly #begun = performance.now();
  readonly #timer: NodeJS.Timeout;

  constructor(cluster: Cluster, everyMs: number) {
    this.#cluster = cluster;
    this.#timer = setInterval(() => this.take(), everyMs);
  }

  take(): void {
    const atMs = Math.round(performance.now() - this.#begun);
    const uptimeMs = Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]) * 1000;
    for (const { name, pid, startTime } of this.#cluster.processes()) {
      if (pid === undefined || name.startsWith("world/")) continue;
      const ageMs = Math.round(uptimeMs - (Number(startTime) * 1000) / ticksPerSecond);
      const facts = factsOf(pid);
      if (facts) this.processes.push({ atMs, process: name, pid, ageMs, ...facts });
    }
    for (const node of this.#cluster.nodes) {
      const maps = join(this.#cluster.layout.bpffs, node, "maps");
      this.tables.push({
        atMs,
        node,
        connections: entriesOf(maps, /^tsi_ct[46]_/),
        translations: entriesOf(maps, /^tsi_nat[46]_/),
      });
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

/** undefined when it ended meanwhile. */
function factsOf(pid: number): { rssKiB: number; descriptors: number } | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const rssKiB = Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]);
    return rssKiB > 0 ? { rssKiB, descriptors: readdirSync(`/proc/${pid}/fd`).length } : undefined;
  } catch {
    return undefined;
  }
}

/** Entries of pinned maps of these names, whatever their layout. */
export function entriesOf(folder: string, names: RegExp): number {
  let count = 0;
  for (const name of readdirSync(folder).filter((each) => names.test(each)))
    count += countOf(join(folder, name));
  return count;
}

/** 0 for a pin that went away meanwhile, and for what has no entries. */
export function countOf(pin: string): number {
  try {
    using map = BpfMap.fromPinned(pin);
    let count = 0;
    for (const batch of map.packedEntries()) count += batch.count;
    return count;
  } catch (error) {
    if ((error as { code?: unknown }).code === "ENOENT") return 0;
    throw error;
  }
}
