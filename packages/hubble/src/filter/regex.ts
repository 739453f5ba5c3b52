// Regular expressions of clients: RE2's (as in Cilium), matched in time linear in the text, and bounded in size, since
// the time is the product of both.
import { RE2JS, RE2JSException } from "re2js";
import { rememberTexts } from "./condition.ts";
import { FilterError } from "./error.ts";

/** Longest pattern that is taken, in UTF-16 units. */
const longestPattern = 2_000;
/** Largest compiled program: at 30 ns for each of its instructions and each character, 2000 characters take 0.12 s at worst. */
const largestProgram = 2_000;

/** Whether one of `patterns` is found in the text (not anchored). Answers are remembered. @throws FilterError */
export function compilePatterns(
  field: string,
  patterns: readonly string[],
): (text: string) => boolean {
  const compiled = patterns.map((pattern) => compilePattern(field, pattern));
  return rememberTexts((text) => compiled.some((pattern) => pattern.test(text)));
}

/** @throws FilterError */
export function compilePattern(field: string, value: string): RE2JS {
  if (value.length > longestPattern) {
    throw new FilterError({ field, value, reason: `longer than ${longestPattern} characters` });
  }
  const pattern = parsePattern(field, value);
  if (pattern.programSize() > largestProgram) {
    throw new FilterError({ field, value, reason: "too large a regular expression" });
  }
  return pattern;
}

function parsePattern(field: string, value: string): RE2JS {
  try {
    return RE2JS.compile(value);
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error;
    const reason = `not a regular expression (RE2): ${error.message.replace(/^error parsing regexp: /, "")}`;
    throw new FilterError({ field, value, reason }, { cause: error });
  }
}
