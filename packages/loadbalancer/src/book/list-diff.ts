// What two versions of a long list have not in common, when most of it is the same objects in the same order.
export type ListDiff<T> = { readonly removed: readonly T[]; readonly added: readonly T[] };

/** The parts between the common beginning and the common end: they may still share items, in any order. */
export function differingParts<T>(before: readonly T[], after: readonly T[]): ListDiff<T> {
  if (before === after) return { removed: [], added: [] };
  const shortest = Math.min(before.length, after.length);
  let start = 0;
  while (start < shortest && before[start] === after[start]) start++;
  let end = 0;
  while (
    end < shortest - start &&
    before[before.length - 1 - end] === after[after.length - 1 - end]
  )
    end++;
  return {
    removed: before.slice(start, before.length - end),
    added: after.slice(start, after.length - end),
  };
}
