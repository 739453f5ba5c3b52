// Whether a match of an expression may lie within another one and end before it. If none does, then of all matches in a
// text the one that begins first also ends first, and is the only one that begins there.
import { type CharacterSet, none } from "./alphabet.ts";
import type { Node } from "./node.ts";
import { Positions, tooLarge } from "./positions.ts";

const maxPairs = 30_000;

/** Where the inner match is: it has not begun, has ended, or is at a position. */
type Inner = "before" | "after" | number;

/** @throws PatternError for an expression that is too large to tell */
export function holdsEarlierEnd(node: Node): boolean {
  const positions = new Positions();
  const { enter, leave, skip } = positions.add(node);
  if (skip > 0) return true;
  const seen = new Set<string>();
  const waiting: (readonly [outer: number | undefined, inner: Inner])[] = [[undefined, "before"]];
  const innerSteps = (inner: Inner): Inner[] => {
    if (inner === "before") return ["before", ...enter.keys()];
    if (inner === "after") return ["after"];
    return [...positions.follow(inner).keys(), ...(leave.has(inner) ? ["after" as const] : [])];
  };
  for (let pair = waiting.pop(); pair; pair = waiting.pop()) {
    const [outer, inner] = pair;
    const outerSteps = outer === undefined ? enter : positions.follow(outer);
    for (const next of outerSteps.keys())
      for (const within of innerSteps(inner)) {
        const set = positions.sets[next] as CharacterSet;
        const other = typeof within === "number" ? (positions.sets[within] as CharacterSet) : set;
        const key = `${next} ${within}`;
        if ((set & other) === none || seen.has(key)) continue;
        if (within === "after" && leave.has(next)) return true;
        seen.add(key);
        waiting.push([next, within]);
      }
    if (seen.size > maxPairs) throw tooLarge();
  }
  return false;
}
