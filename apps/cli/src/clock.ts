// Deadlines in the kernel's tables are on CLOCK_MONOTONIC, which is what process.hrtime reads.

/** Seconds from now, rounded; 0 for what has passed. */
export function secondsUntil(deadlineNs: bigint): number {
  return Math.max(0, Math.round(Number(deadlineNs - process.hrtime.bigint()) / 1e9));
}

/** Seconds ago, rounded. */
export function secondsSince(momentNs: bigint): number {
  return Math.max(0, Math.round(Number(process.hrtime.bigint() - momentNs) / 1e9));
}
