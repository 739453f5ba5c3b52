// Rules with everything looked up that they refer to: CIDR groups and services become the labels and prefixes that
// they stand for now, ranges become blocks of ports. What can match nobody is left out; what is left out is never
// mistaken for "everybody". An L7 rule that no proxy enforces matches nobody.
import type { Prefix } from "@tsilium/net";
import type {
  CidrGroup,
  L7Rules,
  LabelSelector,
  Peer,
  PolicyService,
  PolicySettings,
  PortMatch,
  Requirement,
  Rule,
  Verdict,
} from "../model.ts";
import { icmpProtocols, portProtocols } from "../model.ts";
import { cutRange, type PortCut } from "./port-cuts.ts";
import { keyed, type KeyedSelector, selects } from "./selectors.ts";
import type { EnforcedRules } from "./unite.ts";

/** Of labels that say by which names and patterns an address was found. */
export const fqdnSource = "fqdn";

/** What rules refer to by name. */
export type Referents = {
  readonly settings: PolicySettings;
  readonly cidrGroups: ReadonlyMap<string, CidrGroup>;
  /** By "namespace/name". */
  readonly services: ReadonlyMap<string, PolicyService>;
};

export type ResolvedCidr = {
  readonly prefix: Prefix;
  readonly except: readonly Prefix[];
  readonly scope: "any" | "external";
};

/** Somebody, at least one way to be it. */
export type ResolvedPeers = {
  /** Two rules that mean the same peers share it. */
  readonly key: string;
  readonly selectors: readonly KeyedSelector[];
  readonly cidrs: readonly ResolvedCidr[];
};

export type NamedMatch = { readonly protocol: number; readonly name: string };

export type PortRange = {
  readonly protocol: number;
  readonly first: number;
  readonly last: number;
};

export type ResolvedPorts = {
  /** As they are written; an ICMP type is a port. */
  readonly ranges: readonly PortRange[];
  readonly named: readonly NamedMatch[];
};

export type ResolvedRule = {
  readonly verdict: Verdict;
  readonly path: string;
  /** undefined: everybody. */
  readonly peers: ResolvedPeers | undefined;
  /** undefined: every protocol and port. */
  readonly ports: ResolvedPorts | undefined;
  /** What a proxy lets through of it; undefined: it is decided at L4. */
  readonly l7: EnforcedRules | undefined;
};

/** The rule as it stands now, or undefined when there is nobody or nothing that it would match. */
export function resolveRule(rule: Rule, referents: Referents): ResolvedRule | undefined {
  const { verdict, path } = rule;
  const l7 = verdict === "deny" ? undefined : rule.l7;
  const enforced = referents.settings.proxiesL7 === false ? undefined : enforceable(l7);
  // Nothing gets through a rule that wants a proxy which is not there.
  if (l7 && (verdict !== "allow" || !enforced)) return undefined;
  const ports = enforced
    ? proxiedPorts(rule.ports, enforced)
    : rule.ports && resolvePorts(rule.ports);
  if (ports && ports.ranges.length === 0 && ports.named.length === 0) return undefined;
  const peers = rule.peers && resolvePeers(rule.peers, referents);
  if (peers === "nobody") return undefined;
  return { verdict, path, peers: peers === "everybody" ? undefined : peers, ports, l7: enforced };
}

function enforceable(l7: L7Rules | undefined): EnforcedRules | undefined {
  switch (l7?.protocol) {
    case "http":
    case "kafka":
    case "dns":
    case "sni":
      return l7;
    case "l7":
    case "listener":
    case "auth":
    case undefined:
      return undefined;
  }
}

/** Of the protocols that its proxy speaks; no ports at all are all of these. */
function proxiedPorts(
  ports: readonly PortMatch[] | undefined,
  { protocol: kind }: EnforcedRules,
): ResolvedPorts {
  const { TCP, UDP } = portProtocols;
  const spoken: readonly number[] = kind === "dns" ? [TCP, UDP] : [TCP];
  if (!ports)
    return {
      ranges: spoken.map((protocol) => ({ protocol, first: 0, last: lastPort })),
      named: [],
    };
  const { ranges, named } = resolvePorts(ports);
  const isSpoken = ({ protocol }: { readonly protocol: number }) => spoken.includes(protocol);
  return { ranges: ranges.filter(isSpoken), named: named.filter(isSpoken) };
}

const lastPort = 65_535;

/** Whether what the rule means can change without the rule. */
export function refersToOthers({ peers }: Rule): boolean {
  return (peers ?? []).some(
    ({ kind }) => kind.startsWith("cidr-group") || kind.startsWith("service"),
  );
}

function resolvePeers(
  peers: readonly Peer[],
  referents: Referents,
): ResolvedPeers | "everybody" | "nobody" {
  const selectors = new Map<string, KeyedSelector>();
  const cidrs = new Map<string, ResolvedCidr>();
  for (const peer of peers) {
    const concrete = concretePeers(peer, referents);
    for (const selector of concrete.selectors.map(keyed)) selectors.set(selector.key, selector);
    for (const cidr of concrete.cidrs) addCidr(cidrs, cidr, referents.settings);
  }
  if (selectors.has(keyed([]).key)) return "everybody";
  if (selectors.size === 0 && cidrs.size === 0) return "nobody";
  return {
    key: JSON.stringify([[...selectors.keys()].sort(), [...cidrs.keys()].sort()]),
    selectors: [...selectors.values()],
    cidrs: [...cidrs.values()],
  };
}

type Concrete = {
  readonly selectors: readonly LabelSelector[];
  readonly cidrs: readonly ResolvedCidr[];
};

function concretePeers(peer: Peer, referents: Referents): Concrete {
  const { cidrGroups, services } = referents;
  switch (peer.kind) {
    case "labels":
      return { selectors: [peer.selector], cidrs: [] };
    case "cidr":
      return { selectors: [], cidrs: [peer] };
    case "cidr-group":
      return ofGroups(found(cidrGroups.get(peer.name)), peer.except);
    case "cidr-group-selector":
      return ofGroups(
        [...cidrGroups.values()].filter(({ labels }) => selects(peer.selector, labels)),
        peer.except,
      );
    case "service":
      return ofServices(found(services.get(`${peer.namespace}/${peer.name}`)), referents);
    case "service-selector":
      return ofServices(
        [...services.values()].filter(
          ({ namespace, labels }) =>
            (peer.namespace ?? namespace) === namespace && selects(peer.selector, labels),
        ),
        referents,
      );
    case "fqdn":
      return { selectors: [named(peer.matchName ?? peer.matchPattern ?? "")], cidrs: [] };
  }
}

/** Addresses of names are of identities that say by which of policies' texts they were found (packages/fqdn). */
function named(text: string): LabelSelector {
  return [{ source: fqdnSource, key: text, operator: "In", values: [""] }];
}

function found<Referent>(referent: Referent | undefined): Referent[] {
  return referent === undefined ? [] : [referent];
}

function ofGroups(groups: readonly CidrGroup[], except: readonly Prefix[]): Concrete {
  const cidrs = groups.flatMap(({ prefixes }) =>
    prefixes.map((prefix): ResolvedCidr => ({ prefix, except, scope: "external" })),
  );
  return { selectors: [], cidrs };
}

/** An empty selector is Kubernetes' "none": such a service has whatever addresses somebody gives it. */
function ofServices(services: readonly PolicyService[], { settings }: Referents): Concrete {
  const selectors: LabelSelector[] = [];
  const cidrs: ResolvedCidr[] = [];
  for (const { namespace, selector, backends } of services) {
    const labels = Object.entries(selector ?? {});
    if (labels.length > 0) selectors.push(podSelector(labels, namespace, settings.clusterName));
    else for (const prefix of backends) cidrs.push({ prefix, except: [], scope: "external" });
  }
  return { selectors, cidrs };
}

/** Pods with these labels in a namespace of this cluster. */
function podSelector(
  labels: readonly (readonly [key: string, value: string])[],
  namespace: string,
  cluster: string,
): LabelSelector {
  return [
    ...labels,
    ["io.kubernetes.pod.namespace", namespace] as const,
    ["io.cilium.k8s.policy.cluster", cluster] as const,
  ].map(([key, value]): Requirement => ({ source: "k8s", key, operator: "In", values: [value] }));
}

/** Exceptions outside the prefix say nothing, and one over the whole of it leaves nothing. */
function addCidr(
  cidrs: Map<string, ResolvedCidr>,
  { prefix, except, scope }: ResolvedCidr,
  { cidrMatchMode }: PolicySettings,
): void {
  if (except.some((hole) => hole.contains(prefix))) return;
  const holes = except.filter((hole) => prefix.contains(hole));
  // When pods are meant too, everybody is: the address alone decides.
  const meant = cidrMatchMode.includes("pods") ? "any" : scope;
  cidrs.set([meant, prefix, ...holes.map(String).sort()].join(" "), {
    prefix,
    except: holes,
    scope: meant,
  });
}

function resolvePorts(ports: readonly PortMatch[]): ResolvedPorts {
  const ranges: PortRange[] = [];
  const named: NamedMatch[] = [];
  for (const port of ports) {
    const { kind } = port;
    if (kind === "range")
      ranges.push({ protocol: port.protocol, first: port.first, last: port.last });
    else if (kind === "icmp")
      ranges.push({ protocol: icmpProtocols[port.family], first: port.type, last: port.type });
    else named.push({ protocol: port.protocol, name: port.name });
  }
  return { ranges, named };
}

/** Its blocks of ports. */
export function cutsOf({ ranges }: ResolvedPorts): PortCut[] {
  return ranges.flatMap(({ protocol, first, last }) => cutRange(protocol, first, last));
}
