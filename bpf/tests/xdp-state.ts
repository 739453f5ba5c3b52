// What flows leave in a test node's maps, in a form to be compared with another's.
import type { BpfMap } from "@tsilium/ebpf";

/** Tables whose entries begin with a time. */
const tables = ["tsi_lb_flow", "tsi_lb_affinity", "tsi_nat4", "tsi_nat6"] as const;
const timeSize = 8;
const nsPerSecond = 1_000_000_000n;

/** A line per entry of each table, and of the counters. */
export function stateOf(node: { map(name: string): BpfMap }): Record<string, string[]> {
  const rows = tables.map((name): [string, string[]] => [name, flowsOf(node.map(name))]);
  return Object.fromEntries([...rows, ["tsi_metrics", countersOf(node.map("tsi_metrics"))]]);
}

function flowsOf(map: BpfMap): string[] {
  const lines = Array.from(map.entries(), ([key, value]) => {
    const time = new DataView(value.buffer, value.byteOffset).getBigUint64(0, true);
    return `${hex(key)} ${lifetimeOf(time)} ${hex(value.subarray(timeSize))}`;
  });
  return lines.toSorted();
}

/** Which of the lifetimes a deadline is of: they are 10, 60 and 8000 seconds from a moment ago. */
function lifetimeOf(deadlineNs: bigint): string {
  const leftS = (deadlineNs - process.hrtime.bigint()) / nsPerSecond;
  if (leftS < 5n) return "past";
  if (leftS < 30n) return "closing";
  return leftS < 100n ? "short" : "long";
}

/** Packets and bytes of each key that has any, over all CPUs. */
function countersOf(map: BpfMap): string[] {
  return Array.from(map.entries(), ([key, perCpu]) => {
    const values = new BigUint64Array(perCpu.slice().buffer);
    const sum = (at: 0 | 1) =>
      values.filter((_, index) => index % 2 === at).reduce((total, value) => total + value, 0n);
    return `${hex(key)} ${sum(0)} packets ${sum(1)} bytes`;
  }).filter((line) => !line.includes(" 0 packets"));
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
