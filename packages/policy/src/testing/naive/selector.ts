// Label selectors, twice: Kubernetes' on labels, Cilium's on labels that have a source.
import type { LabelSelector } from "./objects.ts";
import type { KubeLabels } from "./world.ts";

/** A label that says who set it: "k8s", "reserved", "node". */
export type SourcedLabel = {
  readonly source: string;
  readonly key: string;
  readonly value: string;
};

/** Kubernetes' own meaning: every requirement holds, and none at all is everything. */
export function selectsLabels(selector: LabelSelector, labels: KubeLabels): boolean {
  return requirementsOf(selector).every(({ key, operator, values }) =>
    holds(operator, values, Object.hasOwn(labels, key) ? [labels[key] as string] : []),
  );
}

/** Cilium's: a key may say which source it means ("k8s:app"); without one, or with "any:", every source will do. */
export function selectsSourced(selector: LabelSelector, labels: readonly SourcedLabel[]): boolean {
  return requirementsOf(selector).every(({ key, operator, values }) => {
    const { source, name } = splitKey(key);
    const found = labels
      .filter((label) => label.key === name && (source === "any" || label.source === source))
      .map(({ value }) => value);
    return holds(operator, values, found);
  });
}

export type MentionedKey = {
  /** "any" when the selector names none. */
  readonly source: string;
  readonly name: string;
  /** Must be there, rather than must not. */
  readonly isWanted: boolean;
};

/** The keys that a selector mentions. */
export function keysOf(selector: LabelSelector): MentionedKey[] {
  return requirementsOf(selector).map(({ key, operator }) => ({
    ...splitKey(key),
    isWanted: operator === "In" || operator === "Exists",
  }));
}

function splitKey(key: string): { source: string; name: string } {
  const colon = key.indexOf(":");
  return colon < 0
    ? { source: "any", name: key }
    : { source: key.slice(0, colon), name: key.slice(colon + 1) };
}

type Requirement = { key: string; operator: string; values: readonly string[] };

function requirementsOf(selector: LabelSelector): Requirement[] {
  const equalities = Object.entries(selector.matchLabels ?? {}).map(([key, value]) => ({
    key,
    operator: "In",
    values: [value],
  }));
  const expressions = (selector.matchExpressions ?? []).map(({ key, operator, values }) => ({
    key,
    operator,
    values: values ?? [],
  }));
  return [...equalities, ...expressions];
}

function holds(operator: string, wanted: readonly string[], found: readonly string[]): boolean {
  switch (operator) {
    case "In":
      return found.some((value) => wanted.includes(value));
    case "NotIn":
      return !found.some((value) => wanted.includes(value));
    case "Exists":
      return found.length > 0;
    case "DoesNotExist":
      return found.length === 0;
    default:
      throw new Error(`no such operator: ${operator}`);
  }
}
