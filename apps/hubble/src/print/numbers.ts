// Numbers as Cilium's `hubble` prints them. Pure.

/** 2348885n -> "2,348,885" */
export function grouped(count: bigint | number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** Share of a whole: "49.60%". */
export function percentage(part: bigint, whole: bigint): string {
  return `${((Number(part) / Number(whole)) * 100).toFixed(2)}%`;
}

/** Flows per second over a time in nanoseconds: "23.46"; undefined for no time. */
export function rate(count: bigint, overNs: bigint): string | undefined {
  return overNs > 0n ? (Number(count) / (Number(overNs) / 1e9)).toFixed(2) : undefined;
}
