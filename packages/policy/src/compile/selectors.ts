// What a label selector means, and the text that two selectors share exactly when they mean the same.
import type { Labels } from "@tsilium/net";
import type { LabelSelector, Requirement } from "../model.ts";

/** A selector with its canonical text, which is computed once and compared often. */
export type KeyedSelector = { readonly key: string; readonly selector: LabelSelector };

export function selects(selector: LabelSelector, labels: Labels): boolean {
  return selector.every((requirement) => meets(requirement, labels));
}

export function keyed(selector: LabelSelector): KeyedSelector {
  return { key: selector.map(requirementKey).sort().join(" "), selector };
}

/** NotIn and DoesNotExist are the plain opposites of In and Exists: they hold for whoever lacks the key. */
function meets(requirement: Requirement, labels: Labels): boolean {
  switch (requirement.operator) {
    case "In":
      return hasValue(requirement, labels);
    case "NotIn":
      return !hasValue(requirement, labels);
    case "Exists":
      return hasKey(requirement, labels);
    case "DoesNotExist":
      return !hasKey(requirement, labels);
  }
}

/** With source "any" the same key may stand there several times: one that fits is enough. */
function hasValue({ source, key, values }: Requirement, labels: Labels): boolean {
  for (const label of labels)
    if (label.key === key && isFrom(source, label.source) && values.includes(label.value))
      return true;
  return false;
}

function hasKey({ source, key }: Requirement, labels: Labels): boolean {
  for (const label of labels) if (label.key === key && isFrom(source, label.source)) return true;
  return false;
}

function isFrom(wanted: string, source: string): boolean {
  return wanted === "any" || wanted === source;
}

/** The order of a requirement's values means nothing, nor does saying one twice. */
function requirementKey({ source, key, operator, values }: Requirement): string {
  return JSON.stringify([source, key, operator, [...new Set(values)].sort()]);
}
