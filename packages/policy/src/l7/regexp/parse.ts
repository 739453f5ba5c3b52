// RE2's syntax, as far as it means something for requests, into a tree. What is refused here and taken by RE2 can match
// nothing in a request, or is read differently by engines.
import { all, type CharacterSet, folded, none, range, single } from "./alphabet.ts";
import { classEscapes, Escapes, namedClasses } from "./escapes.ts";
import { PatternError } from "./error.ts";
import { choice, type Node, repeat, sequence } from "./node.ts";

/** RE2's own. */
const maxCount = 1000;
const maxDepth = 100;

/** @throws PatternError */
export function parsePattern(text: string): Node {
  const parser = new Parser(text);
  const node = parser.choice(0);
  if (!parser.isAtEnd) throw new PatternError("has a ) without its (");
  return node;
}

class Parser {
  readonly #text: string;
  readonly #escapes: Escapes;
  #at = 0;
  #ignoresCase = false;

  constructor(text: string) {
    this.#text = text;
    this.#escapes = new Escapes(text);
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#text.length;
  }

  choice(depth: number): Node {
    if (depth > maxDepth) throw new PatternError(`has more than ${maxDepth} groups in each other`);
    const ignoresCase = this.#ignoresCase;
    const branches = [this.#sequence(depth)];
    while (this.#take("|")) branches.push(this.#sequence(depth));
    this.#ignoresCase = ignoresCase;
    return choice(branches);
  }

  #sequence(depth: number): Node {
    const items: Node[] = [];
    while (!this.isAtEnd && this.#next !== "|" && this.#next !== ")") {
      if (this.#take("\\Q")) {
        items.push(...this.#quoted());
        continue;
      }
      if (this.#takeFlags()) continue;
      items.push(this.#repeated(this.#atom(depth)));
    }
    return sequence(items);
  }

  #atom(depth: number): Node {
    const character = this.#text[this.#at++] as string;
    switch (character) {
      case "(":
        return this.#group(depth);
      case "[":
        return this.#set(this.#class());
      case ".":
        return { kind: "set", set: all };
      case "^":
        return { kind: "begin" };
      case "$":
        return { kind: "end" };
      case "*":
      case "+":
      case "?":
        throw new PatternError(`has a ${character} that follows nothing`);
      case "{":
        if (this.#match(/\d+(?:,\d*)?\}/y))
          throw new PatternError("has a count that follows nothing");
        return this.#literal(character.charCodeAt(0));
      case "\\":
        return this.#escape();
      default:
        return this.#literal(character.charCodeAt(0));
    }
  }

  #group(depth: number): Node {
    const ignoresCase = this.#ignoresCase;
    this.#groupHead();
    const node = this.choice(depth + 1);
    this.#ignoresCase = ignoresCase;
    if (!this.#take(")")) throw new PatternError("has a ( without its )");
    return node;
  }

  /** `(` was read; flags without a group of their own were looked for before. */
  #groupHead(): void {
    if (!this.#take("?")) return;
    for (const [head, what] of refusedGroups)
      if (this.#text.startsWith(head, this.#at))
        throw new PatternError(`uses ${what}, which RE2 has not`);
    const name = this.#match(/P?<\w+>/y);
    if (name !== undefined) return;
    const flags = this.#match(/[imsU]*(?:-[imsU]+)?:/y);
    if (flags === undefined) throw new PatternError("has a group (? that RE2 does not know");
    this.#setFlags(flags);
  }

  /** `(?i)` holds to the end of the group that it stands in. */
  #takeFlags(): boolean {
    const flags = this.#match(/\(\?[imsU]*(?:-[imsU]+)?\)/y);
    if (flags === undefined) return false;
    if (flags === "(?)") throw new PatternError("has a group (? that RE2 does not know");
    this.#setFlags(flags);
    return true;
  }

  /** Only case counts: texts are of one line, and how much a part takes does not matter when all must match. */
  #setFlags(flags: string): void {
    const [on = "", off = ""] = flags.split("-");
    if (on.includes("i")) this.#ignoresCase = true;
    if (off.includes("i")) this.#ignoresCase = false;
  }

  #repeated(atom: Node): Node {
    const counts = this.#counts();
    if (!counts) return atom;
    if (atom.kind === "begin" || atom.kind === "end") throw new PatternError("repeats ^ or $");
    const next = this.#match(/\+/y);
    if (next) throw new PatternError("uses a possessive quantifier, which RE2 has not");
    this.#take("?");
    if (this.#counts())
      throw new PatternError("repeats a repetition: put the inner one in a group");
    return repeat(atom, counts.min, counts.max);
  }

  #counts(): { readonly min: number; readonly max: number } | undefined {
    if (this.#take("*")) return { min: 0, max: Infinity };
    if (this.#take("+")) return { min: 1, max: Infinity };
    if (this.#take("?")) return { min: 0, max: 1 };
    const braces = this.#match(/\{\d+(?:,\d*)?\}/y);
    if (braces === undefined) return undefined;
    const [first = "", second] = braces.slice(1, -1).split(",");
    const min = Number(first);
    const max = second === undefined ? min : second === "" ? Infinity : Number(second);
    if (min > maxCount || (max !== Infinity && max > maxCount))
      throw new PatternError(`repeats more than ${maxCount} times: ${braces}`);
    if (min > max)
      throw new PatternError(`has a count whose end comes before its start: ${braces}`);
    return { min, max };
  }

  #escape(): Node {
    const character = this.#text[this.#at] ?? "";
    if (character === "A") return this.#anchor("begin");
    if (character === "z") return this.#anchor("end");
    if (/[bB]/.test(character))
      throw new PatternError(`uses \\${character}: word boundaries are not supported`);
    if (/[pP]/.test(character))
      throw new PatternError(`uses \\${character}: requests are ASCII, name the characters`);
    if (character === "C") throw new PatternError("uses \\C: single bytes are not supported");
    if (/[1-9]/.test(character) && !/^[1-7][0-7]/.test(this.#text.slice(this.#at)))
      throw new PatternError("uses a back-reference, which RE2 has not");
    if (character === "k") throw new PatternError("uses a back-reference, which RE2 has not");
    const set = classEscapes[character];
    if (set !== undefined) {
      this.#at++;
      return this.#set(set);
    }
    return this.#literal(this.#escapedCode());
  }

  #anchor(kind: "begin" | "end"): Node {
    this.#at++;
    return { kind };
  }

  #escapedCode(): number {
    const { code, next } = this.#escapes.read(this.#at);
    this.#at = next;
    return code;
  }

  #quoted(): Node[] {
    const end = this.#text.indexOf("\\E", this.#at);
    const literal = this.#text.slice(this.#at, end < 0 ? undefined : end);
    this.#at = end < 0 ? this.#text.length : end + 2;
    const nodes = Array.from(literal, (character) => this.#literal(character.charCodeAt(0)));
    const last = nodes.pop();
    return last ? [...nodes, this.#repeated(last)] : nodes;
  }

  #literal(code: number): Node {
    const set = single(code);
    if (set !== none) return this.#set(set);
    throw new PatternError(
      code > 0x7f
        ? "has a character that is not ASCII: requests have it percent-encoded"
        : "has a blank or control character, which no request has there",
    );
  }

  #set(set: CharacterSet): Node {
    if (set === none) throw new PatternError("has a class that no character of a request is in");
    return { kind: "set", set: this.#ignoresCase ? folded(set) : set };
  }

  /** `[` was read. */
  #class(): CharacterSet {
    const isNegated = this.#take("^");
    let set = none;
    for (let isFirst = true; isFirst || this.#next !== "]"; isFirst = false) {
      if (this.isAtEnd) throw new PatternError("has a [ without its ]");
      set |= this.#classItem();
    }
    this.#at++;
    // Case is ignored before what is left out is found: (?i)[^a] is neither "a" nor "A".
    const whole = this.#ignoresCase ? folded(set) : set;
    return isNegated ? all & ~whole : whole;
  }

  #classItem(): CharacterSet {
    const name = this.#match(/\[:.*?:\]/sy);
    if (name !== undefined) return namedClass(name);
    const escaped = this.#next === "\\" ? this.#text[this.#at + 1] : undefined;
    const set = escaped === undefined ? undefined : classEscapes[escaped];
    if (set !== undefined) {
      this.#at += 2;
      return set;
    }
    const first = this.#classCode();
    if (this.#next !== "-" || this.#text[this.#at + 1] === "]") return range(first, first);
    this.#at++;
    const last = this.#classCode();
    if (last < first) throw new PatternError("has a range in a class that ends before it starts");
    return range(first, last);
  }

  #classCode(): number {
    if (this.isAtEnd) throw new PatternError("has a [ without its ]");
    if (this.#take("\\")) {
      if (/[pP]/.test(this.#next))
        throw new PatternError(`uses \\${this.#next}: requests are ASCII, name the characters`);
      return ascii(this.#escapedCode());
    }
    return ascii(this.#text.charCodeAt(this.#at++));
  }

  get #next(): string {
    return this.#text[this.#at] ?? "";
  }

  #take(expected: string): boolean {
    if (!this.#text.startsWith(expected, this.#at)) return false;
    this.#at += expected.length;
    return true;
  }

  /** @param expression sticky */
  #match(expression: RegExp): string | undefined {
    expression.lastIndex = this.#at;
    const found = expression.exec(this.#text)?.[0];
    this.#at += found?.length ?? 0;
    return found;
  }
}

/** Folding case brings characters beyond ASCII to ASCII ones, in some engines: none are taken. */
function ascii(code: number): number {
  if (code <= 0x7f) return code;
  throw new PatternError("has a character that is not ASCII: requests have it percent-encoded");
}

const refusedGroups: readonly (readonly [head: string, what: string])[] = [
  ["=", "look-ahead"],
  ["!", "look-ahead"],
  ["<=", "look-behind"],
  ["<!", "look-behind"],
  [">", "an atomic group"],
  ["P=", "a back-reference"],
  ["P>", "recursion"],
  ["R)", "recursion"],
  ["(", "a condition"],
  ["#", "a comment"],
];

function namedClass(text: string): CharacterSet {
  const isNegated = text.startsWith("[:^");
  const set = namedClasses[text.slice(isNegated ? 3 : 2, -2)];
  if (set === undefined) throw new PatternError(`has a class that RE2 does not know: ${text}`);
  return isNegated ? all & ~set : set;
}
