// CPU time of another process, as /proc tells it.
import { readFileSync } from "node:fs";

/** USER_HZ: what the kernel counts in for programs, on every architecture that we run on. */
const msPerTick = 10;
/** utime and stime, counted from the state behind the name. */
const fields = { user: 11, system: 12 };

/** Milliseconds of all its threads so far, to a hundredth of a second; without its children. */
export function processCpuMs(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, "utf8");
  // The name may have spaces and brackets in it.
  const values = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return (Number(values[fields.user]) + Number(values[fields.system])) * msPerTick;
}
