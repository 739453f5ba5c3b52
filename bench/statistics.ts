// The two statistics of all benches: rates on a shared machine wander by a third, medians of ratios do not.

/** The value that `fraction` of the values do not exceed (nearest rank). @throws RangeError without values */
export function quantile(values: readonly number[], fraction: number): number {
  if (values.length === 0) throw new RangeError("no values");
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * fraction))] as number;
}

/** The middle value; the mean of the two middle ones of an even number. @throws RangeError without values */
export function median(values: readonly number[]): number {
  const lower = quantile(values, 0.5);
  if (values.length % 2 === 1) return lower;
  const sorted = values.toSorted((a, b) => a - b);
  return (lower + (sorted[values.length / 2 - 1] as number)) / 2;
}

/** The values in random order (Fisher-Yates): no variant is always the one after another. */
export function shuffled<T>(values: readonly T[]): T[] {
  const result = [...values];
  for (let index = result.length - 1; index > 0; index--) {
    const other = Math.floor(Math.random() * (index + 1));
    [result[index], result[other]] = [result[other] as T, result[index] as T];
  }
  return result;
}
