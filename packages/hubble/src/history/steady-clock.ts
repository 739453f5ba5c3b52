// The time by which flows grow too old. A clock that leaps forward (a wrong answer of NTP, a virtual machine that wakes up)
// would make the whole history too old in one moment, and have it removed: such a leap is believed once it has lasted.

/** Smaller ones, and all steps back, are followed at once. */
const largestStepMs = 60_000;
const trustAfterMs = 15 * 60_000;

export type ClockSources = {
  /** UNIX time; ms. */
  readonly wall: () => number;
  /** Of a clock that does not step; ms. */
  readonly elapsed: () => number;
};

const usual: ClockSources = { wall: Date.now, elapsed: () => performance.now() };

/** UNIX time in milliseconds; to be asked now and then. */
export function steadyClock({ wall, elapsed }: ClockSources = usual): () => number {
  let trustedMs = wall() - elapsed();
  let leaptAtMs: number | undefined;
  return () => {
    const nowMs = elapsed();
    const offsetMs = wall() - nowMs;
    const isLeap = offsetMs - trustedMs > largestStepMs;
    leaptAtMs = isLeap ? (leaptAtMs ?? nowMs) : undefined;
    if (leaptAtMs === undefined || nowMs - leaptAtMs >= trustAfterMs) trustedMs = offsetMs;
    return trustedMs + nowMs;
  };
}
