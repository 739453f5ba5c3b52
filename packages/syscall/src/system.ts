// Facts about this machine and its clocks that the kernel knows and Node does not tell.
import { readFileSync } from "node:fs";
import { declare, declareRaw, lastErrno } from "./libc.ts";
import { SyscallError } from "./errors.ts";

const CLOCK_REALTIME = 0;
const CLOCK_MONOTONIC = 1;
const CLOCK_BOOTTIME = 7;

const clockGettime = declare("int clock_gettime(int clock, void *time)");
const libcIfNameToIndex = declareRaw("unsigned int if_nametoindex(const char *name)");
const libcIfIndexToName = declareRaw("intptr_t if_indextoname(unsigned int index, void *name)");

const timespec = new BigInt64Array(2);
const timespecBytes = new Uint8Array(timespec.buffer);

function readClock(clock: number): bigint {
  clockGettime(clock, timespecBytes);
  return (timespec[0] as bigint) * 1_000_000_000n + (timespec[1] as bigint);
}

/** CLOCK_BOOTTIME in nanoseconds: what bpf_ktime_get_boot_ns() answers. Counts time spent suspended. */
export function clockBoottimeNs(): bigint {
  return readClock(CLOCK_BOOTTIME);
}

/** CLOCK_REALTIME, UNIX time, in nanoseconds. */
export function clockRealtimeNs(): bigint {
  return readClock(CLOCK_REALTIME);
}

/** CLOCK_MONOTONIC in nanoseconds: what bpf_ktime_get_ns() answers. */
export function clockMonotonicNs(): bigint {
  return readClock(CLOCK_MONOTONIC);
}

/** Counts "0-3,8": the kernel's way of writing CPU sets. Answers the highest number plus one. */
export function parseCpuCount(list: string): number {
  const last = list.trim().split(/[-,]/).at(-1);
  const highest = Number(last);
  if (!last || !Number.isInteger(highest)) throw new RangeError(`not a CPU list: "${list.trim()}"`);
  return highest + 1;
}

let cpus: number | undefined;

/** How many CPUs this machine can ever have: the number of values in a per-CPU map's entry. */
export function possibleCpus(): number {
  cpus ??= parseCpuCount(readFileSync("/sys/devices/system/cpu/possible", "utf8"));
  return cpus;
}

/** Index of an interface of the current network namespace. @throws SyscallError ENODEV */
export function ifNameToIndex(name: string): number {
  const index = Number(libcIfNameToIndex(name));
  if (index === 0) throw new SyscallError("if_nametoindex", lastErrno(), name);
  return index;
}

/** Name of an interface of the current network namespace. @throws SyscallError ENXIO */
export function ifIndexToName(index: number): string {
  const name = new Uint8Array(16);
  if (BigInt(libcIfIndexToName(index, name)) === 0n)
    throw new SyscallError("if_indextoname", lastErrno(), String(index));
  return new TextDecoder().decode(name.subarray(0, name.indexOf(0)));
}
