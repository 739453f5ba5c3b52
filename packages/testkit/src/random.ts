// Random inputs that can be had again: a seeded generator, the seed printed when a run fails.

export type Random = {
  /** 0 <= n < limit, whole. */
  below(limit: number): number;
  bytes(length: number): Uint8Array;
  pick<T>(choices: readonly T[]): T;
  chance(probability: number): boolean;
};

/** A generator (mulberry32) that gives the same sequence for the same seed. */
export function seeded(seed: number): Random {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let value = Math.imul(state ^ (state >>> 15), state | 1);
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (limit: number) => Math.floor(next() * limit);
  return {
    below,
    bytes: (length) => Uint8Array.from({ length }, () => below(256)),
    pick: (choices) => choices[below(choices.length)] as (typeof choices)[number],
    chance: (probability) => next() < probability,
  };
}

export type RepeatOptions = {
  /** How many inputs; TSILIUM_FUZZ_RUNS overrides it. */
  readonly runs: number;
};

/**
 * Calls `check` with a generator per run. The first seed is new every time, or TSILIUM_FUZZ_SEED.
 * @throws Error naming the seed of the failing run, with its cause
 */
export function repeat(options: RepeatOptions, check: (random: Random) => void): void {
  const runs = Number(process.env["TSILIUM_FUZZ_RUNS"] ?? options.runs);
  const first = Number(process.env["TSILIUM_FUZZ_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
  for (let seed = first; seed < first + runs; seed++) {
    try {
      check(seeded(seed));
    } catch (cause) {
      throw new Error(`fails for TSILIUM_FUZZ_SEED=${seed}: ${String(cause)}`, { cause });
    }
  }
}
