// Keys of selectors, and which source of labels they speak of. Sources are kept apart: what a pod says of itself must
// never pass for what the cluster says of it (GHSA-pfhr-pccp-hwmh).
import { isLabelKey } from "./label-syntax.ts";

export const namespaceKey = "io.kubernetes.pod.namespace";
export const clusterKey = "io.cilium.k8s.policy.cluster";
/** Labels of an endpoint's namespace are labels of the endpoint under this prefix. */
export const namespaceLabelPrefix = "io.cilium.k8s.namespace.labels.";
/** Every derived label but `namespaceKey` begins with it; a pod's own labels never do. */
const derivedPrefix = "io.cilium.k8s";

/** No label has this source. */
export const noSource = "none";

export type LabelKey = { readonly source: string; readonly key: string };

/** How the keys of a kind of selector are read; undefined for what is no key. */
export type KeyReader = (text: string) => LabelKey | undefined;

/** Cilium's: "k8s:app", "reserved:host", and "app" or "any:app" from whichever source. */
export const sourcedKey: KeyReader = (text) => {
  const colon = text.indexOf(":");
  const source = colon > 0 ? text.slice(0, colon) : "any";
  const key = text.slice(colon + 1);
  const bare = key.startsWith(namespaceLabelPrefix) ? key.slice(namespaceLabelPrefix.length) : key;
  return /^[a-z0-9][-a-z0-9]{0,62}$/.test(source) && isLabelKey(bare) ? { source, key } : undefined;
};

/** Of a pod's own labels. Those under derived names are not part of an identity, whoever asks for them. */
export const podKey: KeyReader = (text) => {
  if (!isLabelKey(text)) return undefined;
  return { source: isDerived(text) ? noSource : "k8s", key: text };
};

/** Of a namespace's labels. */
export const namespaceLabelKey: KeyReader = (text) =>
  isLabelKey(text) ? { source: "k8s", key: `${namespaceLabelPrefix}${text}` } : undefined;

/** Of a node's labels; "k8s:zone" and "zone" are the same. */
export const nodeKey: KeyReader = (text) => {
  const read = sourcedKey(text);
  if (read === undefined || (read.source !== "any" && read.source !== "k8s")) return read;
  return { ...read, source: "node" };
};

/** Whether a pod's own label of this key is left out of its identity, since we derive labels of such names. */
export function isDerived(key: string): boolean {
  return key === namespaceKey || key.startsWith(derivedPrefix);
}
