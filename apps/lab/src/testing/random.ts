// Repeatable randomness for tests: the seed is printed with a failure.

/** `next(n)` is a whole number from 0 up to n - 1. SEED in the environment repeats a run. */
export function sequence(): { readonly seed: number; readonly next: (limit: number) => number } {
  const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
  let state = seed >>> 0;
  // mulberry32
  const next = (limit: number) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296) * limit);
  };
  return { seed, next };
}

export function randomBytes(next: (limit: number) => number, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => next(256)));
}
