// Selectors over pods' own labels, as Kubernetes' kinds have them.
import type { LabelSelector } from "../model.ts";
import type { Field } from "./field.ts";
import { isDerived, podKey } from "./label-key.ts";
import { parseSelector } from "./selector.ts";

export function parsePodSelector(field: Field): LabelSelector {
  const selector = parseSelector(field, podKey);
  const derived = selector.find(({ key }) => isDerived(key));
  if (derived)
    field.warn(
      `pods' own labels called ${derived.key} do not count: labels of that name are derived`,
    );
  return selector;
}
