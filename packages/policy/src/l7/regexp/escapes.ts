// What stands after a backslash.
import { all, type CharacterSet, range, single } from "./alphabet.ts";
import { PatternError } from "./error.ts";

const digits = range(0x30, 0x39);
const upper = range(0x41, 0x5a);
const lower = range(0x61, 0x7a);
const word = digits | upper | lower | single(0x5f);
const punctuation = all & ~(digits | upper | lower);

/** Blanks are not of the alphabet. */
export const classEscapes: Readonly<Record<string, CharacterSet>> = {
  __proto__: null as never,
  d: digits,
  D: all & ~digits,
  w: word,
  W: all & ~word,
  s: 0n,
  S: all,
};

export const namedClasses: Readonly<Record<string, CharacterSet>> = {
  __proto__: null as never,
  alnum: digits | upper | lower,
  alpha: upper | lower,
  ascii: all,
  blank: 0n,
  cntrl: 0n,
  digit: digits,
  graph: all,
  lower,
  print: all,
  punct: punctuation,
  space: 0n,
  upper,
  word,
  xdigit: digits | range(0x41, 0x46) | range(0x61, 0x66),
};

const controls: Readonly<Record<string, number>> = {
  __proto__: null as never,
  a: 0x07,
  f: 0x0c,
  t: 0x09,
  n: 0x0a,
  r: 0x0d,
  v: 0x0b,
};

export class Escapes {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  /** The character whose escape begins at `at`, after the backslash, and where what follows begins. */
  read(at: number): { readonly code: number; readonly next: number } {
    const character = this.#text[at];
    if (character === undefined) throw new PatternError("ends with a backslash");
    const hex = this.#match(/x(?:\{([0-9A-Fa-f]{1,6})\}|([0-9A-Fa-f]{2}))/y, at);
    if (hex)
      return { code: Number.parseInt(hex[1] ?? (hex[2] as string), 16), next: at + hex[0].length };
    const octal = this.#match(/0[0-7]{0,2}|[1-7][0-7]{1,2}/y, at);
    if (octal) return { code: Number.parseInt(octal[0], 8), next: at + octal[0].length };
    const control = controls[character];
    if (control !== undefined) return { code: control, next: at + 1 };
    if (/[A-Za-z0-9]/.test(character) || character.charCodeAt(0) > 0x7f)
      throw new PatternError(`has an escape that RE2 does not know: \\${character}`);
    return { code: character.charCodeAt(0), next: at + 1 };
  }

  #match(expression: RegExp, at: number): RegExpExecArray | undefined {
    expression.lastIndex = at;
    return expression.exec(this.#text) ?? undefined;
  }
}
