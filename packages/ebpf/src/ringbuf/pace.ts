// How often a ring buffer is looked at that wakes nobody. Often enough while records come, seldom while none do.

/** Between two looks while records come, ms. */
export const activePollMs = 20;
/** The longest that a record waits on a quiet ring, ms. */
export const idlePollMs = 100;

/** The delay before the next look, ms, after one that came `previousMs` after its own and found `records`. */
export function nextPollMs(previousMs: number, records: number): number {
  return records > 0 ? activePollMs : Math.min(Math.max(previousMs, activePollMs) * 2, idlePollMs);
}
