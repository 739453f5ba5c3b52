// An expression as a graph: every character of it is a position, which texts are read along. How many ways there are
// from one to the next is counted as engines walk them that try one after the other.
import type { CharacterSet } from "./alphabet.ts";
import { PatternError } from "./error.ts";
import type { Node } from "./node.ts";

const maxPositions = 800;
const maxEdges = 20_000;

/** Positions, each with the number of ways to it. */
export type Counts = ReadonlyMap<number, number>;

/** How a part can be entered, left, and passed without reading anything: each with in how many ways. */
export type Part = { readonly enter: Counts; readonly leave: Counts; readonly skip: number };

export class Positions {
  readonly #sets: CharacterSet[] = [];
  readonly #follow: Map<number, number>[] = [];
  #edges = 0;

  /** What may stand at a position. */
  get sets(): readonly CharacterSet[] {
    return this.#sets;
  }

  follow(position: number): Counts {
    return this.#follow[position] as Counts;
  }

  /** Adds an expression. @throws PatternError for one that is too large */
  add(node: Node): Part {
    switch (node.kind) {
      case "empty":
      case "begin":
      case "end":
        return { enter: new Map(), leave: new Map(), skip: 1 };
      case "set":
        return this.#position(node.set);
      case "choice":
        return node.items.map((item) => this.add(item)).reduce(either);
      case "sequence":
        return node.items.map((item) => this.add(item)).reduce((one, two) => this.#chain(one, two));
      case "repeat":
        return this.#repeat(node);
    }
  }

  #position(set: CharacterSet): Part {
    if (this.#sets.length >= maxPositions) throw tooLarge();
    const position = this.#sets.push(set) - 1;
    this.#follow.push(new Map());
    const only = new Map([[position, 1]]);
    return { enter: only, leave: only, skip: 0 };
  }

  #chain(one: Part, two: Part): Part {
    this.#connect(one.leave, two.enter);
    return {
      enter: sum(one.enter, two.enter, one.skip),
      leave: sum(two.leave, one.leave, two.skip),
      skip: one.skip * two.skip,
    };
  }

  /** a{2,4} is aa(a(a)?)?, as engines walk it; what repeats without end goes back to its start. */
  #repeat({ item, min, max }: Node & { readonly kind: "repeat" }): Part {
    const copies = max === Infinity ? Math.max(min, 1) : max;
    let whole: Part | undefined;
    for (let copy = copies; copy >= 1; copy--) {
      const part = this.add(item);
      if (copy === copies && max === Infinity) this.#connect(part.leave, part.enter);
      const chained: Part = whole ? this.#chain(part, whole) : part;
      whole = copy > min ? { ...chained, skip: chained.skip + 1 } : chained;
    }
    return whole as Part;
  }

  #connect(from: Counts, to: Counts): void {
    this.#edges += from.size * to.size;
    if (this.#edges > maxEdges) throw tooLarge();
    for (const [position, ways] of from) {
      const follow = this.#follow[position] as Map<number, number>;
      for (const [next, more] of to) follow.set(next, (follow.get(next) ?? 0) + ways * more);
    }
  }
}

function either(one: Part, two: Part): Part {
  return {
    enter: sum(one.enter, two.enter, 1),
    leave: sum(one.leave, two.leave, 1),
    skip: one.skip + two.skip,
  };
}

/** one + times * two */
function sum(one: Counts, two: Counts, times: number): Counts {
  if (times === 0 || two.size === 0) return one;
  const total = new Map(one);
  for (const [position, ways] of two)
    total.set(position, (total.get(position) ?? 0) + times * ways);
  return total;
}

export function tooLarge(): PatternError {
  return new PatternError("is too large: repeat less, or write several rules");
}
