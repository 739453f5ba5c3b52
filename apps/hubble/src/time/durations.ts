// Durations as Go writes them ("1h43m", "1.5s", "250ms"), since flags of Cilium's `hubble` are Go's.

const unitsNs: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1_000n,
  µs: 1_000n,
  μs: 1_000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
  // Not Go's, but what one wants of a history.
  d: 86_400_000_000_000n,
};

/** "1h43m" in nanoseconds; "-5m" is negative. undefined for what is no duration, or longer than 10,000 days. */
export function parseDuration(text: string): bigint | undefined {
  if (/^[+-]?0$/.test(text)) return 0n;
  if (!/^[+-]?((\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h|d))+$/.test(text) || text.length > 64)
    return undefined;
  let sum = 0n;
  for (const [, whole = "", fraction = "", unit = ""] of text.matchAll(
    /(\d*)(?:\.(\d*))?(ns|us|µs|μs|ms|s|m|h|d)/g,
  )) {
    const unitNs = unitsNs[unit] as bigint;
    sum += BigInt(whole || "0") * unitNs;
    if (fraction) sum += (BigInt(fraction) * unitNs) / 10n ** BigInt(fraction.length);
  }
  if (sum > 10_000n * (unitsNs["d"] as bigint)) return undefined;
  return text.startsWith("-") ? -sum : sum;
}

/** 301515181665n -> "5m1.515181665s", as Go's time.Duration prints itself. */
export function formatDuration(durationNs: bigint): string {
  if (durationNs >= 1n << 63n) return `${durationNs}ns`;
  if (durationNs === 0n) return "0s";
  for (const [unit, size] of [
    ["ns", 1n],
    ["µs", 1_000n],
    ["ms", 1_000_000n],
  ] as const) {
    if (durationNs < size * 1_000n) return `${decimal(durationNs, size)}${unit}`;
  }
  const minutes = durationNs / 60_000_000_000n;
  const seconds = `${decimal(durationNs % 60_000_000_000n, 1_000_000_000n)}s`;
  if (minutes === 0n) return seconds;
  if (minutes < 60n) return `${minutes}m${seconds}`;
  return `${minutes / 60n}h${minutes % 60n}m${seconds}`;
}

function decimal(value: bigint, unit: bigint): string {
  const digits = String(unit).length - 1;
  const fraction =
    digits === 0
      ? ""
      : String(value % unit)
          .padStart(digits, "0")
          .replace(/0+$/, "");
  return `${value / unit}${fraction === "" ? "" : `.${fraction}`}`;
}
