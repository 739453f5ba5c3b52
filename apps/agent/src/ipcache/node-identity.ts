// Which identity a node has. Pure.
import { ReservedIdentity } from "@tsilium/identity/model.ts";
import { type Family, Labels } from "@tsilium/net";

/** A number that is reserved, or labels for which this node has a number of its own. */
export type NodeIdentity = { readonly id: number } | { readonly labels: Labels };

export type NodeFacts = {
  readonly isApiServer: boolean;
  /** undefined: nodes are not told apart by their labels. */
  readonly nodeLabels: Readonly<Record<string, string>> | undefined;
};

/**
 * Of another node. With `nodeLabels` (`enable-node-selector-labels`) it is its labels, of source "node": no pod has
 * any of that source, so none can pass for a node (CVE-2025-30163).
 */
export function remoteNodeIdentity({ isApiServer, nodeLabels }: NodeFacts): NodeIdentity {
  if (nodeLabels === undefined) {
    return { id: ReservedIdentity[isApiServer ? "kube-apiserver" : "remote-node"] };
  }
  const reserved = isApiServer ? ["kube-apiserver", "remote-node"] : ["remote-node"];
  return { labels: reservedLabels(...reserved).with(Labels.fromRecord("node", nodeLabels)) };
}

/** Labels of this node's own identity, `host`, as policy sees it: a ClusterNetworkPolicy's `nodes` mean it too. */
export function hostLabels({ isApiServer, nodeLabels }: NodeFacts): Labels {
  const reserved = reservedLabels("host", ...(isApiServer ? ["kube-apiserver"] : []));
  return reserved.with(Labels.fromRecord("node", nodeLabels ?? {}));
}

/** Labels of an API server outside the cluster. */
export function externalApiServerLabels(family: Family, dualStack: boolean): Labels {
  return reservedLabels("kube-apiserver", dualStack ? `world-ipv${family}` : "world");
}

function reservedLabels(...names: string[]): Labels {
  return Labels.parse(names.map((name) => `reserved:${name}`));
}
