// Expressions of policies (RE2's syntax) for engines that try one way after the other, as PCRE does. RE2 takes time
// linear in the text whatever the expression; so must they, since texts are what attackers send. So an expression is
// read, made simpler, and refused unless it is sure to be cheap; and it is written anew, so that nothing in it is read
// in two ways. Texts are of printable ASCII without blanks (docs/policy-l7.md).
import { all } from "./regexp/alphabet.ts";
import { withoutAnchors } from "./regexp/anchors.ts";
import { type Branch, branchesOf } from "./regexp/branches.ts";
import { holdsEarlierEnd } from "./regexp/contained.ts";
import { PatternError } from "./regexp/error.ts";
import { type Node, repeat, sequence } from "./regexp/node.ts";
import { parsePattern } from "./regexp/parse.ts";
import { mostPaths } from "./regexp/paths.ts";
import { anything, grouped, write } from "./regexp/write.ts";

export { PatternError } from "./regexp/error.ts";

/** Longer ones are refused. */
export const maxPatternLength = 2048;
/** How many ways at once may be open; a text of n characters costs no more than n times this. */
const maxPaths = 64;

/**
 * The expression for PCRE, anchored at both ends, of printable ASCII without blanks. Matches the texts that RE2 matches,
 * in time linear in their length.
 * @throws PatternError for what admission refuses
 */
export function toPcre(re2: string): string {
  return `^(?:${branchesFor(re2).map(writeBranch).join("|")})\\z`;
}

/** Why an expression is refused, "uses look-ahead, which RE2 has not"; undefined: it is not. */
export function patternProblem(re2: string): string | undefined {
  try {
    branchesFor(re2);
    return undefined;
  } catch (error) {
    if (error instanceof PatternError) return error.message;
    throw error;
  }
}

function branchesFor(re2: string): readonly Branch[] {
  if (re2.length > maxPatternLength)
    throw new PatternError(`is longer than ${maxPatternLength} characters`);
  const branches = branchesOf(withoutAnchors(parsePattern(re2)));
  for (const branch of branches) judge(branch);
  return branches;
}

const dotStar: Node = repeat({ kind: "set", set: all }, 0, Infinity);

/**
 * Every way into the head may be followed by all ways through the rest. Of a middle the match that is found first is the
 * only one tried, so it must be the one that leaves most to the rest, unless the rest takes anything.
 */
function judge({ head, middles, tail }: Branch): void {
  if (tail === undefined) {
    count(head);
    return;
  }
  const [last] = middles.slice(-1);
  for (const middle of middles)
    if (!(middle === last && tail.kind === "empty") && holdsEarlierEnd(middle)) throw tooSlow();
  const ways = count(sequence([head, dotStar]));
  for (const part of [...middles, tail])
    if (ways * count(sequence([dotStar, part])) > maxPaths) throw tooSlow();
}

function count(node: Node): number {
  const paths = mostPaths(node, maxPaths);
  if (paths === undefined) throw tooSlow();
  return paths;
}

function tooSlow(): PatternError {
  return new PatternError(
    "would take too long on some requests, since parts of it that repeat can match the same text: write it with fewer *, + and .*, or as several rules",
  );
}

/** (?>...): once found, it is not looked for again. */
function writeBranch({ head, middles, tail }: Branch): string {
  if (tail === undefined) return write(head);
  const first = inSequence(head);
  const found = middles.map((middle) => `(?>${anything}?${inSequence(middle)})`);
  return `${first}${found.join("")}${anything}${inSequence(tail)}`;
}

function inSequence(node: Node): string {
  return node.kind === "choice" ? grouped(node) : write(node);
}
