// `namespaces` and `pods`, by which ClusterNetworkPolicy selects subjects and peers alike.
import type { LabelSelector } from "../model.ts";
import type { Field } from "./field.ts";
import { namespaceLabelKey } from "./label-key.ts";
import { parsePodSelector } from "./pod-selector.ts";
import { inAnyNamespace } from "./scope.ts";
import { parseSelector } from "./selector.ts";

/** A selector for each of `namespaces` and `pods` that is given. */
export function parseNamespacedSubject(field: Field): readonly LabelSelector[] {
  const namespaces = field.at("namespaces");
  const pods = field.at("pods");
  return [
    ...(namespaces.isGiven ? [ofNamespaces(namespaces)] : []),
    ...(pods.isGiven ? [ofPods(pods)] : []),
  ];
}

function ofNamespaces(field: Field): LabelSelector {
  return [...parseSelector(field, namespaceLabelKey), inAnyNamespace];
}

function ofPods(field: Field): LabelSelector {
  if (!field.isObject()) return [];
  field.only(["namespaceSelector", "podSelector"]);
  const namespaces = field.narrowing("namespaceSelector");
  return [
    ...parsePodSelector(field.at("podSelector")),
    ...(namespaces.isGiven ? ofNamespaces(namespaces) : [inAnyNamespace]),
  ];
}
