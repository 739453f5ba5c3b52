// Canonical texts of JSON-like values, remembered: what is compared again and again is written out once. For values that
// are replaced and never changed, as those of tables are.
import { canonicalText } from "./objects.ts";

const known = new WeakMap<object, string>();

/** Texts are equal when the values are; a field that is undefined counts as absent. */
export function textOf(value: object): string {
  let text = known.get(value);
  if (text === undefined) known.set(value, (text = canonicalText(value)));
  return text;
}
