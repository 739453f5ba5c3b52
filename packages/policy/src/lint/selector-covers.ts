// Whether one selector is sure to select all that another selects, and whether one can select anything at all. Both err
// on the side of "not sure".
import type { LabelSelector, Requirement } from "../model.ts";
import { isDerived as isDerivedKey, noSource } from "../parse/label-key.ts";

/** Whether whoever `narrow` selects `wide` selects too. */
export function selectorCovers(wide: LabelSelector, narrow: LabelSelector): boolean {
  return wide.every((wanted) => narrow.some((known) => implies(known, wanted)));
}

/** Whether no labels can meet the selector. */
export function isContradiction(selector: LabelSelector): boolean {
  return selector.some(
    (one) => isImpossible(one) || selector.some((other) => contradicts(one, other)),
  );
}

function implies(known: Requirement, wanted: Requirement): boolean {
  if (known.key !== wanted.key) return false;
  const same = known.source === wanted.source;
  const isAmong = (values: readonly string[], others: readonly string[]) =>
    values.every((value) => others.includes(value));
  switch (wanted.operator) {
    case "In":
      return (
        (same || wanted.source === "any") &&
        known.operator === "In" &&
        isAmong(known.values, wanted.values)
      );
    case "Exists":
      return (
        (same || wanted.source === "any") &&
        (known.operator === "Exists" || known.operator === "In")
      );
    case "NotIn":
      if (!same && known.source !== "any") return false;
      if (known.operator === "In")
        return same && hasOneValue(known) && !known.values.some((it) => wanted.values.includes(it));
      return (
        known.operator === "DoesNotExist" ||
        (known.operator === "NotIn" && isAmong(wanted.values, known.values))
      );
    case "DoesNotExist":
      return (same || known.source === "any") && known.operator === "DoesNotExist";
  }
}

/** A key of one source has one value; of any source it may have several. */
function hasOneValue({ source }: Requirement): boolean {
  return source !== "any";
}

/** The parser writes down what cannot be met as a label that nobody has. */
function isImpossible({ source, operator }: Requirement): boolean {
  return source === noSource && (operator === "In" || operator === "Exists");
}

function contradicts(one: Requirement, other: Requirement): boolean {
  if (one.key !== other.key || one.operator !== "In") return false;
  const same = one.source === other.source && hasOneValue(one);
  if (!same && !(isDerived(one) && isDerived(other))) return false;
  switch (other.operator) {
    case "In":
      return !one.values.some((value) => other.values.includes(value));
    case "NotIn":
      return one.values.every((value) => other.values.includes(value));
    case "DoesNotExist":
      return true;
    case "Exists":
      return false;
  }
}

/** Keys that are derived have the source k8s and no other, so that "any" says the same. */
function isDerived({ source, key }: Requirement): boolean {
  return (source === "k8s" || source === "any") && isDerivedKey(key);
}
