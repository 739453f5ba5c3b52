// In how many ways at once an engine that tries one way after the other can be on its way through an expression.
// Counted are paths along positions, not positions: two that meet go on as two, as such an engine would walk them. A
// text of n characters then costs no more than n times the largest number of paths.
import { type CharacterSet, firstCharacter, lastCharacter, none, single } from "./alphabet.ts";
import type { Node } from "./node.ts";
import { type Counts, Positions, tooLarge } from "./positions.ts";

/** Steps spent on counting, and states met. */
const maxWork = 300_000;
const maxStates = 1000;

/**
 * The largest number of paths that some text leads along; undefined: more than `limit`, perhaps without bound.
 * @throws PatternError for an expression that is too large to tell
 */
export function mostPaths(node: Node, limit: number): number | undefined {
  const positions = new Positions();
  const { enter, skip } = positions.add(node);
  if (skip > limit) return undefined;
  const examples = examplesOf(positions.sets);
  const seen = new Set<string>();
  const waiting: Counts[] = [];
  let most = 1;
  let work = 0;
  const step = (nexts: readonly (readonly [next: Counts, ways: number])[]) => {
    for (const example of examples) {
      const after = new Map<number, number>();
      for (const [next, ways] of nexts)
        for (const [position, more] of next) {
          work++;
          if (((positions.sets[position] as CharacterSet) & example) === none) continue;
          after.set(position, (after.get(position) ?? 0) + ways * more);
        }
      meet(after);
    }
  };
  const meet = (state: Counts) => {
    const paths = [...state.values()].reduce((total, count) => total + count, 0);
    most = Math.max(most, paths);
    const key = keyOf(state);
    if (paths > limit || paths === 0 || seen.has(key)) return;
    seen.add(key);
    waiting.push(state);
  };
  step([[enter, 1]]);
  for (let state = waiting.pop(); state && most <= limit; state = waiting.pop()) {
    step(Array.from(state, ([position, ways]) => [positions.follow(position), ways] as const));
    if (work > maxWork || seen.size > maxStates) throw tooLarge();
  }
  return most <= limit ? most : undefined;
}

/** One character of each sort that the expression tells apart. */
function examplesOf(all: readonly CharacterSet[]): CharacterSet[] {
  const sets = [...new Set(all)];
  const sorts = new Map<string, CharacterSet>();
  for (let code = firstCharacter; code <= lastCharacter; code++) {
    const character = single(code);
    const sort = sets.map((set) => ((set & character) === none ? "0" : "1")).join("");
    if (!sorts.has(sort)) sorts.set(sort, character);
  }
  return [...sorts.values()];
}

function keyOf(state: Counts): string {
  return [...state].sort(([a], [b]) => a - b).join(" ");
}
