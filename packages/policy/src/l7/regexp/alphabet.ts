// Characters that requests are made of where expressions look at them: printable ASCII without the blank. Everything
// else is refused before any rule is asked (docs/policy-l7.md), so that expressions mean the same to every engine.

export const firstCharacter = 0x21;
export const lastCharacter = 0x7e;

/** A set of characters, a bit for each from `firstCharacter` on. */
export type CharacterSet = bigint;

export const none: CharacterSet = 0n;
export const all: CharacterSet = (1n << BigInt(lastCharacter - firstCharacter + 1)) - 1n;

/** What of the range is in the alphabet. */
export function range(first: number, last: number): CharacterSet {
  const from = Math.max(first, firstCharacter);
  const to = Math.min(last, lastCharacter);
  if (from > to) return none;
  return ((1n << BigInt(to - from + 1)) - 1n) << BigInt(from - firstCharacter);
}

export function single(code: number): CharacterSet {
  return range(code, code);
}

/** Letters of either case for each letter. */
export function folded(set: CharacterSet): CharacterSet {
  const upper = range(0x41, 0x5a);
  const lower = range(0x61, 0x7a);
  return set | ((set & upper) << 32n) | ((set & lower) >> 32n);
}

/** Runs of characters that follow each other, as code points. */
export function rangesOf(set: CharacterSet): readonly (readonly [first: number, last: number])[] {
  const found: [number, number][] = [];
  for (let code = firstCharacter; code <= lastCharacter; code++) {
    if ((set & single(code)) === none) continue;
    const previous = found.at(-1);
    if (previous?.[1] === code - 1) previous[1] = code;
    else found.push([code, code]);
  }
  return found;
}
