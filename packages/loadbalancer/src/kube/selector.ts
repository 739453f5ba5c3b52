// Kubernetes' label selectors over the labels of pods.
import { listOf, recordOf } from "./field.ts";

type Labels = Readonly<Record<string, string>>;
export type LabelMatcher = (labels: Labels) => boolean;

/** undefined: it is no selector, and selects nothing. `{}` selects everything. */
export function parseSelector(value: unknown): LabelMatcher | undefined {
  const selector = recordOf(value);
  if (!selector) return undefined;
  const equal = Object.entries(recordOf(selector["matchLabels"]) ?? {}).map(([key, wanted]) =>
    typeof wanted === "string" ? requirement(key, "In", [wanted]) : undefined,
  );
  const terms = listOf(selector["matchExpressions"]).map(parseExpression);
  const all = [...equal, ...terms];
  if (all.some((matches) => matches === undefined)) return undefined;
  return (labels) => all.every((matches) => matches?.(labels));
}

function parseExpression(value: unknown): LabelMatcher | undefined {
  const { key, operator, values } = recordOf(value) ?? {};
  const wanted = listOf(values);
  if (typeof key !== "string" || typeof operator !== "string") return undefined;
  if (!wanted.every((item) => typeof item === "string")) return undefined;
  return requirement(key, operator, wanted);
}

function requirement(
  key: string,
  operator: string,
  values: readonly string[],
): LabelMatcher | undefined {
  const has = (labels: Labels) => Object.hasOwn(labels, key);
  const isWanted = (labels: Labels) => has(labels) && values.includes(labels[key] ?? "");
  if (operator === "In") return isWanted;
  if (operator === "NotIn") return (labels) => !isWanted(labels);
  if (operator === "Exists") return has;
  return operator === "DoesNotExist" ? (labels) => !has(labels) : undefined;
}
