// Time that has passed for others, too.

/** A wall's clock that is ahead by this much more than before was set, or its machine slept. */
const jumpMs = 500;

/**
 * A clock, in milliseconds, that goes on while this process or its machine sleeps: the monotonic clock of Linux
 * stands still in a suspended machine, the wall's clock can be set. What the wall's clock jumps ahead counts as passed,
 * what it is set back does not: too much time costs a leader its Lease, too little would give the cluster two.
 */
export function elapsedClock(
  monotonic: () => number = () => performance.now(),
  wall: () => number = () => Date.now(),
): () => number {
  let aheadMs = wall() - monotonic();
  let sleptMs = 0;
  return () => {
    const now = monotonic();
    const jumped = wall() - now - aheadMs;
    if (Math.abs(jumped) > jumpMs) {
      aheadMs += jumped;
      sleptMs += Math.max(jumped, 0);
    }
    return now + sleptMs;
  };
}
