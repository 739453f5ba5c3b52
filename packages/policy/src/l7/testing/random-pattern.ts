// Random expressions of RE2's syntax, of few characters so that random texts match now and then.
import type { Random } from "@tsilium/testkit";

const alphabet = "ab/.0A-?";

export function randomPattern(random: Random, depth: number): string {
  const part = () => randomPattern(random, depth - 1);
  switch (random.below(depth > 0 ? 12 : 4)) {
    case 0:
    case 1:
      return random.pick(["a", "b", "/", "\\.", "0", "A", "-", "\\?"]);
    case 2:
      return random.pick([".", "[ab]", "[^/]", "\\w", "[a-b0]", "\\d", "[^ab]", "[[:alpha:]]"]);
    case 3:
      return random.pick([".*", "a*", "[^/]+", ".+", "b?", ""]);
    case 4:
    case 5:
    case 6:
      return part() + part();
    case 7:
      return part() + part() + part();
    case 8:
      return `(?:${part()}|${part()})`;
    case 9:
      return `(${part()})${random.pick(["*", "+", "?", "{2}", "{1,3}", "{0,2}", "{2,}", "*?"])}`;
    case 10:
      return `(?i:${part()})`;
    default:
      return `(^${part()}|${part()}$)`;
  }
}

export const randomText = (random: Random) =>
  Array.from({ length: random.below(9) }, () => random.pick([...alphabet])).join("");
