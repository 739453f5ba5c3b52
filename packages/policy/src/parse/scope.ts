// Which namespaces a selector may reach. A namespaced policy's subject is always of its own namespace
// (CVE-2023-41333); its peers are, unless they say otherwise.
import type { LabelSelector, Requirement } from "../model.ts";
import { namespaceKey, namespaceLabelPrefix } from "./label-key.ts";

/** Where a policy lives. */
export type Scope = {
  /** undefined: cluster-wide. */
  readonly namespace: string | undefined;
  /** Its subject is reserved:init, which has no namespace. */
  readonly isInit: boolean;
};

export function inNamespace(namespace: string): Requirement {
  return { source: "k8s", key: namespaceKey, operator: "In", values: [namespace] };
}

/** Every pod that we know labels of, and nobody else: neither nodes nor the world have a namespace. */
export const inAnyNamespace: Requirement = {
  source: "k8s",
  key: namespaceKey,
  operator: "Exists",
  values: [],
};

/** A peer selector of a Cilium policy, with the namespace that it leaves out. */
export function scopedPeer(selector: LabelSelector, scope: Scope): LabelSelector {
  if (selector.some(({ source }) => source === "reserved")) return selector;
  if (selector.some(isNamespace)) return selector;
  if (scope.namespace === undefined) return scope.isInit ? selector : [...selector, inAnyNamespace];
  return selector.some(isNamespaceLabel) ? selector : [...selector, inNamespace(scope.namespace)];
}

/** Whether the selector asks for reserved:init. One that asks for its absence does not. */
export function isInit(selector: LabelSelector): boolean {
  return selector.some(
    ({ source, key, operator }) =>
      source === "reserved" && key === "init" && (operator === "In" || operator === "Exists"),
  );
}

/** Whether nothing that lives in `namespace` can meet the selector, as far as namespaces and reserved labels tell. */
export function excludesNamespace(selector: LabelSelector, namespace: string): boolean {
  return selector.some((requirement) => {
    const { source, operator, values } = requirement;
    if (source === "reserved") return operator === "In" || operator === "Exists";
    if (!isNamespace(requirement)) return false;
    switch (operator) {
      case "In":
        return !values.includes(namespace);
      case "NotIn":
        return values.includes(namespace);
      case "Exists":
        return false;
      case "DoesNotExist":
        return true;
    }
  });
}

/** Whether it only says what labels are not there, so that it matches whoever has none: the world, the nodes. */
export function isOnlyNegative(selector: LabelSelector): boolean {
  return (
    selector.length > 0 &&
    selector.every(({ operator }) => operator === "NotIn" || operator === "DoesNotExist")
  );
}

function isNamespace({ source, key }: Requirement): boolean {
  return (source === "k8s" || source === "any") && key === namespaceKey;
}

function isNamespaceLabel({ source, key }: Requirement): boolean {
  return (source === "k8s" || source === "any") && key.startsWith(namespaceLabelPrefix);
}
