// Who was at an end of a flow, in the terms of a rule: pods by their labels, an entity, or an address.
import type { FlowEndpoint } from "@tsilium/hubble/model.ts";
import { compareTexts } from "./text.ts";
import { isVolatile } from "./volatile-labels.ts";

/** Names that rules have for peers without labels of their own (Cilium's `fromEntities`). */
export const entityNames = [
  "kube-apiserver",
  "host",
  "remote-node",
  "health",
  "ingress",
  "init",
  "unmanaged",
  "world",
] as const;
export type EntityName = (typeof entityNames)[number];

export type Party =
  | {
      readonly kind: "pods";
      /** "" when the flow does not say. */
      readonly cluster: string;
      readonly namespace: string;
      /** The pods' own, without those that change with every pod or roll-out. */
      readonly labels: Readonly<Record<string, string>>;
    }
  | { readonly kind: "entity"; readonly name: EntityName };

const namespaceKey = "io.kubernetes.pod.namespace";
const derivedPrefix = "io.cilium.k8s.";

/** undefined: nobody knows who it was (a service's address before its translation, an unknown identity). */
export function partyOf(endpoint: FlowEndpoint): Party | undefined {
  const labels = endpoint.labels.map(split);
  const entity = entityNames.find((name) => labels.some(isReserved(name)));
  if (entity) return { kind: "entity", name: entity };
  const namespace =
    labels.find(({ source, key }) => source === "k8s" && key === namespaceKey)?.value ??
    endpoint.namespace;
  if (namespace === "") return undefined;
  return { kind: "pods", cluster: endpoint.clusterName, namespace, labels: ownLabels(labels) };
}

/** One text for the same party: a key for maps. */
export function partyKey(party: Party): string {
  if (party.kind === "entity") return `entity ${party.name}`;
  const labels = Object.entries(party.labels).map((pair) => pair.join("="));
  return `pods ${party.cluster}/${party.namespace} ${labels.join(",")}`;
}

type FlowLabel = { readonly source: string; readonly key: string; readonly value: string };

/** "k8s:app=web" */
function split(text: string): FlowLabel {
  const colon = text.indexOf(":");
  const equals = text.indexOf("=", colon + 1);
  const end = equals < 0 ? text.length : equals;
  return {
    source: text.slice(0, Math.max(colon, 0)),
    key: text.slice(colon + 1, end),
    value: text.slice(end + 1),
  };
}

/** A family's world is the world: rules name both at once. */
function isReserved(name: EntityName): (label: FlowLabel) => boolean {
  return ({ source, key }) =>
    source === "reserved" && (key === name || (name === "world" && key.startsWith("world-ipv")));
}

function ownLabels(labels: readonly FlowLabel[]): Record<string, string> {
  const own = labels.filter(
    ({ source, key }) =>
      source === "k8s" &&
      key !== namespaceKey &&
      !key.startsWith(derivedPrefix) &&
      !isVolatile(key),
  );
  const sorted = own.toSorted((a, b) => compareTexts(a.key, b.key));
  return Object.fromEntries(sorted.map(({ key, value }) => [key, value]));
}
