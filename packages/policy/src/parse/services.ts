// `toServices`: Kubernetes Services by name or by labels.
import type { Peer } from "../model.ts";
import type { Field } from "./field.ts";
import { sourcedKey } from "./label-key.ts";
import { isDnsLabel } from "./label-syntax.ts";
import { parseSelector } from "./selector.ts";

/** `home`: the policy's own namespace, undefined for a cluster-wide one. */
export function parseService(item: Field, home: string | undefined): readonly Peer[] {
  if (!item.isObject()) return [];
  item.only(["k8sService", "k8sServiceSelector"]);
  const byName = item.at("k8sService");
  const bySelector = item.at("k8sServiceSelector");
  if (byName.isGiven === bySelector.isGiven) {
    item.problem("needs k8sService or k8sServiceSelector, and not both");
    return [];
  }
  return byName.isGiven ? parseByName(byName, home) : parseBySelector(bySelector);
}

function parseByName(field: Field, home: string | undefined): readonly Peer[] {
  if (!field.isObject()) return [];
  field.only(["serviceName", "namespace"]);
  const name = field.at("serviceName").name();
  const namespace = parseNamespace(field.at("namespace")) ?? home;
  if (namespace === undefined) field.at("namespace").problem("required in a cluster-wide policy");
  return name === undefined || namespace === undefined
    ? []
    : [{ kind: "service", namespace, name }];
}

/** Without a namespace, services of all of them. */
function parseBySelector(field: Field): readonly Peer[] {
  if (!field.isObject()) return [];
  field.only(["selector", "namespace"]);
  const selector = parseSelector(field.at("selector"), sourcedKey);
  const namespace = parseNamespace(field.narrowing("namespace"));
  return [{ kind: "service-selector", namespace, selector }];
}

function parseNamespace(field: Field): string | undefined {
  const text = field.text();
  if (text === undefined || text === "") return undefined;
  if (!isDnsLabel(text)) field.problem("is no name of a namespace");
  return text;
}
