// `from` and `to` of a Kubernetes NetworkPolicy rule: pods of this namespace, pods of others, or blocks of addresses.
import type { Peer } from "../model.ts";
import { parseExcept, parsePrefix } from "./cidr.ts";
import type { Field } from "./field.ts";
import { namespaceLabelKey } from "./label-key.ts";
import { parsePodSelector } from "./pod-selector.ts";
import type { ParseOptions } from "./result.ts";
import { inAnyNamespace, inNamespace } from "./scope.ts";
import { parseSelector } from "./selector.ts";

export type KubernetesContext = { readonly namespace: string; readonly options: ParseOptions };

/** undefined, for everybody, when the list is missing or empty: so the API says. */
export function parseKubernetesPeers(
  field: Field,
  context: KubernetesContext,
): readonly Peer[] | undefined {
  const items = field.items();
  if (items === undefined || items.length === 0) return undefined;
  return items.flatMap((item) => parsePeer(item, context) ?? []);
}

function parsePeer(item: Field, { namespace, options }: KubernetesContext): Peer | undefined {
  if (!item.isObject()) return undefined;
  for (const field of item.unknown(["podSelector", "namespaceSelector", "ipBlock"])) {
    field.warn("unknown field: the peer it narrows is taken to match nobody");
    return undefined;
  }
  const pods = item.at("podSelector");
  const namespaces = item.at("namespaceSelector");
  const block = item.at("ipBlock");
  if (block.isGiven) {
    if (pods.isGiven || namespaces.isGiven) item.problem("ipBlock goes with no selector");
    return parseBlock(block, options.kubernetesIpBlock ?? "any");
  }
  if (!pods.isGiven && !namespaces.isGiven) {
    item.problem("needs podSelector, namespaceSelector or ipBlock");
    return undefined;
  }
  const ofNamespaces = namespaces.isGiven
    ? [...parseSelector(namespaces, namespaceLabelKey), inAnyNamespace]
    : [inNamespace(namespace)];
  const ofPods = pods.isGiven ? parsePodSelector(pods) : [];
  return { kind: "labels", selector: [...ofPods, ...ofNamespaces] };
}

function parseBlock(block: Field, scope: "any" | "external"): Peer | undefined {
  if (!block.isObject()) return undefined;
  for (const field of block.unknown(["cidr", "except"])) {
    field.warn("unknown field: the block it narrows is taken to match nobody");
    return undefined;
  }
  const prefix = parsePrefix(block.at("cidr"));
  const except = parseExcept(block.narrowing("except"), { inside: prefix, strict: true });
  return prefix && { kind: "cidr", prefix, except, scope };
}
