// `from` and `to` of a ClusterNetworkPolicy rule.
import type { Direction, LabelSelector, Peer, Verdict } from "../model.ts";
import { parsePrefix } from "./cidr.ts";
import { reserved } from "./entities.ts";
import type { Field } from "./field.ts";
import { fqdnPeer } from "./fqdn.ts";
import { nodeKey } from "./label-key.ts";
import { parseNamespacedSubject } from "./namespaced-pods.ts";
import type { ParseOptions } from "./result.ts";
import { parseSelector } from "./selector.ts";

export type ClusterPeersContext = {
  readonly direction: Direction;
  readonly verdict: Verdict;
  readonly options: ParseOptions;
};

/** "fail-closed": one of the peers is of a kind that is not known here, so that the rule as a whole cannot be judged. */
export function parseClusterPeers(
  list: Field,
  context: ClusterPeersContext,
): readonly Peer[] | "fail-closed" {
  const items = list.items() ?? [];
  if (items.length === 0) list.problem("needs at least one peer");
  const parsed = items.map((item) => parsePeer(item, context));
  return parsed.includes("fail-closed")
    ? "fail-closed"
    : parsed.flatMap((peers) => (peers === "fail-closed" ? [] : peers));
}

function parsePeer(item: Field, context: ClusterPeersContext): readonly Peer[] | "fail-closed" {
  if (!item.isObject()) return [];
  const known = [
    "namespaces",
    "pods",
    ...(context.direction === "egress" ? ["nodes", "networks", "domainNames"] : []),
  ];
  const given = known.filter((key) => item.at(key).isGiven);
  if (given.length > 1) item.problem(`${given.join(" and ")} in one peer: write a peer for each`);
  if (given.length === 0 || item.unknown(known).length > 0) {
    item.warn(
      context.verdict === "allow"
        ? "no kind of peer that is known here: the rule allows nothing"
        : "no kind of peer that is known here: the rule denies everything, as the API asks",
    );
    return "fail-closed";
  }
  return [
    ...parseNamespacedSubject(item).map((selector): Peer => ({ kind: "labels", selector })),
    ...parseNodes(item.at("nodes"), context.options),
    ...parseNetworks(item.at("networks")),
    ...parseDomainNames(item.at("domainNames"), context.verdict),
  ];
}

/** This node's host and the others. Without labels on nodes' identities, all of them or none can be meant. */
function parseNodes(field: Field, options: ParseOptions): readonly Peer[] {
  if (!field.isGiven) return [];
  const selector = parseSelector(field, nodeKey);
  if (selector.length > 0 && options.nodeSelectorLabels !== true)
    field.problem("nodes by their labels need enable-node-selector-labels");
  const kinds: readonly LabelSelector[] = ["host", "remote-node"].map(reserved);
  return kinds.map((kind): Peer => ({ kind: "labels", selector: [...kind, ...selector] }));
}

/** Whoever has such an address, in the cluster or outside. */
function parseNetworks(field: Field): readonly Peer[] {
  const items = field.items() ?? [];
  if (field.isGiven && items.length === 0) field.problem("needs at least one block");
  return items.flatMap((item): Peer[] => {
    const prefix = parsePrefix(item);
    return prefix ? [{ kind: "cidr", prefix, except: [], scope: "any" }] : [];
  });
}

/** "*." at the front stands for one label or more, which patterns write as "**.". */
function parseDomainNames(field: Field, verdict: Verdict): readonly Peer[] {
  const items = field.items() ?? [];
  if (!field.isGiven) return [];
  if (items.length === 0) field.problem("needs at least one name");
  if (verdict !== "allow") field.problem("domain names are for Accept rules only");
  return items.flatMap((item): Peer[] => {
    const text = item.name();
    if (text === undefined) return [];
    const isWildcard = text.startsWith("*.");
    const bare = (isWildcard ? text.slice(2) : text).replace(/\.$/, "").toLowerCase();
    const labels = bare.split(".");
    const fits = text.length <= 255 && labels.every((label) => /^[a-z0-9][-a-z0-9_]*$/.test(label));
    if (!fits || labels.length < 2) item.problem("is no domain name");
    return [fqdnPeer(isWildcard ? { matchPattern: `**.${bare}` } : { matchName: bare })];
  });
}
