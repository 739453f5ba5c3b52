// Who is at the other end of a Cilium rule: one of the lists fromEndpoints, toCIDR, toServices and so on.
import type { Direction, Peer } from "../model.ts";
import { parseCidrRule } from "./cidr-set.ts";
import { parsePrefixOrAddress } from "./cidr.ts";
import { parseEntity, reserved } from "./entities.ts";
import type { Field } from "./field.ts";
import { fqdnPeer, parseFqdn } from "./fqdn.ts";
import { nodeKey, sourcedKey } from "./label-key.ts";
import type { ParseOptions } from "./result.ts";
import { isOnlyNegative, scopedPeer, type Scope } from "./scope.ts";
import { parseSelector } from "./selector.ts";
import { parseService } from "./services.ts";

export type PeersContext = {
  readonly direction: Direction;
  readonly verdict: "allow" | "deny";
  readonly scope: Scope;
  readonly options: ParseOptions;
};

type ParseItem = (item: Field, context: PeersContext) => readonly Peer[];

const parsers: Readonly<Record<string, ParseItem>> = {
  Endpoints: parseEndpoints,
  Entities: (item, { options }) => parseEntity(item, options.clusterName),
  CIDR: parseCidr,
  CIDRSet: parseCidrRule,
  Nodes: parseNodes,
  Groups: refuseGroup,
  Services: (item, { scope }) => parseService(item, scope.namespace),
  FQDNs: parseFqdnPeer,
};

/** Names of the lists that a rule may have. Requires is one that must be empty. */
export function peerFields({ direction, verdict }: PeersContext): readonly string[] {
  const common = ["Endpoints", "Entities", "CIDR", "CIDRSet", "Nodes", "Groups"];
  if (direction === "ingress") return common.map((name) => `from${name}`);
  const egress = [...common, "Services", ...(verdict === "allow" ? ["FQDNs"] : [])];
  return egress.map((name) => `to${name}`);
}

/**
 * undefined: the rule names no peers. Of several lists all would have to match, so one that is empty makes it nobody;
 * and more than one with items is refused, as in Cilium.
 */
export function parsePeers(rule: Field, context: PeersContext): readonly Peer[] | undefined {
  refuseRequires(rule, context);
  const lists = peerFields(context).flatMap((name) => {
    const field = rule.narrowing(name);
    const items = field.items();
    return items === undefined ? [] : [{ name, field, items }];
  });
  const filled = lists.filter(({ items }) => items.length > 0);
  const [first, second] = filled;
  if (first && second)
    rule.problem(`${first.name} and ${second.name} in one rule: write a rule for each`);
  if (lists.length === 0) return undefined;
  const peers = filled.flatMap(({ name, items }) => parseList(name, items, context));
  return filled.length < lists.length ? [] : peers;
}

function parseList(name: string, items: readonly Field[], context: PeersContext): readonly Peer[] {
  const parse = parsers[name.replace(/^(from|to)/, "")];
  return parse ? items.flatMap((item) => parse(item, context)) : [];
}

function refuseRequires(rule: Field, { direction }: PeersContext): void {
  const field = rule.at(direction === "ingress" ? "fromRequires" : "toRequires");
  if ((field.items()?.length ?? 0) > 0)
    field.problem("must be empty: requirements over other rules are gone from the API");
}

function parseEndpoints(item: Field, { scope }: PeersContext): readonly Peer[] {
  const selector = scopedPeer(parseSelector(item, sourcedKey), scope);
  if (isOnlyNegative(selector))
    item.warn("says only which labels are not there: the world and the nodes match too");
  return [{ kind: "labels", selector }];
}

function parseCidr(item: Field): readonly Peer[] {
  const prefix = parsePrefixOrAddress(item);
  return prefix ? [{ kind: "cidr", prefix, except: [], scope: "external" }] : [];
}

/** Nodes only: a pod may carry the same labels (CVE-2025-30163). */
function parseNodes(item: Field, { options }: PeersContext): readonly Peer[] {
  const selector = parseSelector(item, nodeKey);
  if (options.nodeSelectorLabels !== true)
    item.problem("peers by node labels need enable-node-selector-labels");
  return [{ kind: "labels", selector: [...reserved("remote-node"), ...selector] }];
}

function refuseGroup(item: Field): readonly Peer[] {
  item.problem(
    "groups of a cloud provider are not supported: name their blocks in a CiliumCIDRGroup",
  );
  return [];
}

function parseFqdnPeer(item: Field): readonly Peer[] {
  const fqdn = parseFqdn(item);
  return fqdn ? [fqdnPeer(fqdn)] : [];
}
