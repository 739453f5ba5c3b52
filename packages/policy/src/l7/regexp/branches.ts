// An expression as alternatives, each cut where it says `.*`:  head .* middle .* middle .* tail.  A middle part that has
// been found once need not be found again further right: what follows it is `.*`, which takes up whatever is left.
import { PatternError } from "./error.ts";
import { empty, hasAnything, isAnything, type Node, sequence } from "./node.ts";

/** Without `.*` it is all head. */
export type Branch = {
  readonly head: Node;
  /** Each has `.*` before and after it. */
  readonly middles: readonly Node[];
  /** undefined: there is no `.*`. */
  readonly tail: Node | undefined;
};

const maxBranches = 64;

export function branchesOf(node: Node): readonly Branch[] {
  return alternativesOf(node).map(cut);
}

/** What has `.*` within a choice is a branch of its own for each side of it. */
function alternativesOf(node: Node): readonly Node[] {
  if (!hasAnything(node)) return [node];
  const found = expand(node);
  if (found.length > maxBranches)
    throw new PatternError(
      `has more than ${maxBranches} alternatives with .*: write several rules`,
    );
  return found;
}

function expand(node: Node): readonly Node[] {
  if (!hasAnything(node) || isAnything(node)) return [node];
  switch (node.kind) {
    case "choice":
      return node.items.flatMap(expand);
    case "repeat":
      return node.min === 0 && node.max === 1 ? [empty, ...expand(node.item)] : [node];
    case "sequence":
      return product(node.items.map(expand)).map(sequence);
    default:
      return [node];
  }
}

function product(lists: readonly (readonly Node[])[]): readonly (readonly Node[])[] {
  const count = lists.reduce((total, list) => total * list.length, 1);
  if (count > maxBranches)
    throw new PatternError(
      `has more than ${maxBranches} alternatives with .*: write several rules`,
    );
  return lists.reduce<readonly (readonly Node[])[]>(
    (done, list) => done.flatMap((items) => list.map((item) => [...items, item])),
    [[]],
  );
}

function cut(node: Node): Branch {
  const parts: Node[][] = [[]];
  for (const item of node.kind === "sequence" ? node.items : [node]) {
    if (isAnything(item)) parts.push([]);
    else parts.at(-1)?.push(item);
  }
  const [head = empty, ...others] = parts.map(sequence);
  const tail = others.pop();
  return { head, middles: others, tail };
}
