// metav1.LabelSelector against an object's labels.
import type { LabelSelector } from "./types/meta.ts";

/**
 * Whether the selector selects what has these labels; an empty one selects everything.
 * @throws Error for an operator that there is none of, as newer API servers may serve
 */
export function selects(
  selector: LabelSelector,
  labels: Readonly<Record<string, string>> = {},
): boolean {
  const has = (key: string) => Object.hasOwn(labels, key);
  const equal = Object.entries(selector.matchLabels ?? {}).every(
    ([key, value]) => has(key) && labels[key] === value,
  );
  return (
    (selector.matchExpressions ?? []).every(({ key, operator, values = [] }) => {
      const among = has(key) && values.includes(labels[key] as string);
      switch (operator) {
        case "In":
          return among;
        case "NotIn":
          return !among;
        case "Exists":
          return has(key);
        case "DoesNotExist":
          return !has(key);
        default:
          throw new Error(`unknown operator ${JSON.stringify(operator)}`);
      }
    }) && equal
  );
}
