// How many addresses a node should get or give back. Pure; the arithmetic is Cilium's.
//
//   0 ........ used .......... used + pre-allocate ......... + max-above-watermark
//                  what pods are     |  fewer available: get   |  more: give back
//                  waiting for
// min-allocate lifts the whole: fewer are never there, and none is given back below it.

export type Watermarks = {
  /** Addresses a node has at least, used or not. */
  readonly minAllocate: number;
  /** Most that it ever has, 0: no limit. */
  readonly maxAllocate: number;
  /** Free ones to have ready. */
  readonly preAllocate: number;
  /** How many more to ask for at once, so that the next pods need no call. */
  readonly maxAboveWatermark: number;
};

export type Level = {
  /** All addresses of the pool, used ones included. */
  readonly available: number;
  readonly used: number;
};

/** Cilium's defaults. */
export const defaultWatermarks: Watermarks = {
  minAllocate: 0,
  maxAllocate: 0,
  preAllocate: 8,
  maxAboveWatermark: 0,
};

/** How many addresses are lacking. */
export function lacking({ available, used }: Level, marks: Watermarks): number {
  const forPods = marks.preAllocate - (available - used);
  const atLeast = marks.minAllocate - available;
  const room = marks.maxAllocate > 0 ? marks.maxAllocate - available : Infinity;
  return Math.max(0, Math.min(Math.max(forPods, atLeast), room));
}

/** How many to ask for when `lacking` is not 0: a few more, within the limit. */
export function asking(level: Level, marks: Watermarks): number {
  const wanted = lacking(level, marks) + marks.maxAboveWatermark;
  const room = marks.maxAllocate > 0 ? marks.maxAllocate - level.available : Infinity;
  return Math.max(0, Math.min(wanted, room));
}

/** How many may be given back. */
export function excess({ available, used }: Level, marks: Watermarks): number {
  const kept = marks.minAllocate + marks.maxAboveWatermark;
  const spare = available - used - marks.preAllocate - marks.maxAboveWatermark;
  return Math.max(0, Math.min(spare, available - kept));
}
