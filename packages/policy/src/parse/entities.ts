// Entities: names for peers that have reserved labels instead of labels of their own.
import type { LabelSelector, Peer, Requirement } from "../model.ts";
import type { Field } from "./field.ts";
import { clusterKey } from "./label-key.ts";

/** Part of the cluster without being a pod with labels. */
const unlabelled = [
  "host",
  "remote-node",
  "init",
  "ingress",
  "health",
  "unmanaged",
  "kube-apiserver",
];

/** The peers that an entity stands for; none for "none". */
export function parseEntity(field: Field, clusterName: string): readonly Peer[] {
  const name = field.name();
  if (name === undefined) return [];
  const selectors = selectorsOf(name, clusterName);
  if (selectors === undefined) field.problem("no such entity");
  return (selectors ?? []).map((selector) => ({ kind: "labels", selector }));
}

function selectorsOf(name: string, clusterName: string): readonly LabelSelector[] | undefined {
  switch (name) {
    case "all":
      return [[]];
    case "none":
      return [];
    case "world":
      return ["world", "world-ipv4", "world-ipv6"].map(reserved);
    case "cluster":
      return [...unlabelled.map(reserved), [cluster({ operator: "In", values: [clusterName] })]];
    case "cluster-mesh":
      return [...unlabelled.map(reserved), [cluster({ operator: "Exists", values: [] })]];
    case "world-ipv4":
    case "world-ipv6":
      return [reserved(name)];
    default:
      return unlabelled.includes(name) ? [reserved(name)] : undefined;
  }
}

/** Whoever has a reserved label. */
export function reserved(key: string): LabelSelector {
  return [{ source: "reserved", key, operator: "Exists", values: [] }];
}

function cluster(rest: Pick<Requirement, "operator" | "values">): Requirement {
  return { source: "k8s", key: clusterKey, ...rest };
}
