// Regular expressions in fields: RE2's syntax, and cheap for every engine that may run them.
import { RE2JS } from "re2js";
import { patternProblem } from "../l7/pcre.ts";
import type { Field } from "./field.ts";

/** @returns undefined when it is not given, and after a problem */
export function parsePattern(field: Field): string | undefined {
  const text = field.text();
  if (text === undefined) return undefined;
  const reason = text === "" ? undefined : (patternProblem(text) ?? syntaxError(text));
  if (text === "") field.problem("is empty: leave it out if no restriction is meant");
  else if (reason === undefined) return text;
  else field.problem(`is no regular expression that can be enforced: it ${reason}`);
  return undefined;
}

/** Another reader of the same syntax must agree: engines that know RE2 get the text as it is. */
function syntaxError(text: string): string | undefined {
  try {
    RE2JS.compile(text);
    return undefined;
  } catch (error) {
    return `is not of RE2's syntax: ${(error as Error).message}`;
  }
}
