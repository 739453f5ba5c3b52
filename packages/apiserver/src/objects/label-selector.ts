// LabelSelector objects ({matchLabels, matchExpressions}): what Kubernetes demands of them, and how it prints them.
import { field, type Cause } from "../errors.ts";
import { labelCauses, labelKeyFault, labelValueFault } from "./names.ts";

export type LabelSelector = {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly {
    readonly key: string;
    readonly operator: string;
    readonly values?: readonly string[];
  }[];
};

/** Faults of a selector whose types and operators the schema has checked. */
export function selectorCauses(selector: LabelSelector, path: string): Cause[] {
  const causes = labelCauses(selector.matchLabels, `${path}.matchLabels`);
  selector.matchExpressions?.forEach(({ key, operator, values = [] }, index) => {
    const at = `${path}.matchExpressions[${index}]`;
    const keyFault = labelKeyFault(key);
    if (keyFault) causes.push(field.invalid(`${at}.key`, key, keyFault));
    const wantsValues = operator === "In" || operator === "NotIn";
    if (wantsValues && values.length === 0) {
      const why = "must be specified when `operator` is 'In' or 'NotIn'";
      causes.push(field.required(`${at}.values`, why));
    }
    if (!wantsValues && values.length > 0) {
      const why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
      causes.push(field.forbidden(`${at}.values`, why));
    }
    values.forEach((value, nth) => {
      const fault = labelValueFault(value);
      if (fault) causes.push(field.invalid(`${at}.values[${nth}]`, value, fault));
    });
  });
  return causes;
}

/** "app=web,tier in (a,b),!old"; undefined for the selector that selects everything. */
export function selectorText(selector: LabelSelector): string | undefined {
  const labels = Object.entries(selector.matchLabels ?? {}).map(
    ([key, value]) => `${key}=${value}`,
  );
  const terms = (selector.matchExpressions ?? []).map(({ key, operator, values = [] }) => {
    if (operator === "Exists") return key;
    if (operator === "DoesNotExist") return `!${key}`;
    return `${key} ${operator.toLowerCase()} (${values.toSorted().join(",")})`;
  });
  return [...labels, ...terms].join(",") || undefined;
}
