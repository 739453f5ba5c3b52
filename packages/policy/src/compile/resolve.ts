// Rules with everything looked up that they refer to: CIDR groups and services become the labels and prefixes that
// they stand for now, ranges become blocks of ports. What can match nobody is left out; what is left out is never
// mistaken for "everybody".
import type { Prefix } from "@tsilium/net";
import type {
  CidrGroup,
  LabelSelector,
  Peer,
  PolicyService,
  PolicySettings,
  PortMatch,
  Requirement,
  Rule,
  Verdict,
} from "../model.ts";
import { icmpProtocols } from "../model.ts";
import { cutRange, type PortCut, portBits, portCut } from "./port-cuts.ts";
import { keyed, type KeyedSelector, selects } from "./selectors.ts";

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

export type ResolvedPorts = {
  readonly cuts: readonly PortCut[];
  readonly named: readonly NamedMatch[];
};

export type ResolvedRule = {
  readonly verdict: Verdict;
  readonly path: string;
  /** undefined: everybody. */
  readonly peers: ResolvedPeers | undefined;
  /** undefined: every protocol and port. */
  readonly ports: ResolvedPorts | undefined;
};

/** The rule as it stands now, or undefined when there is nobody or nothing that it would match. */
export function resolveRule(rule: Rule, referents: Referents): ResolvedRule | undefined {
  const { verdict, path, l7 } = rule;
  // Without a proxy nothing gets through a rule that wants one.
  if (l7 && verdict !== "deny") return undefined;
  const ports = rule.ports && resolvePorts(rule.ports);
  if (ports && ports.cuts.length === 0 && ports.named.length === 0) return undefined;
  const peers = rule.peers && resolvePeers(rule.peers, referents);
  if (peers === "nobody") return undefined;
  return { verdict, path, peers: peers === "everybody" ? undefined : peers, ports };
}

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
      return { selectors: [], cidrs: [] };
  }
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
  const cuts: PortCut[] = [];
  const named: NamedMatch[] = [];
  for (const port of ports) {
    if (port.kind === "range") cuts.push(...cutRange(port.protocol, port.first, port.last));
    else if (port.kind === "icmp")
      cuts.push(portCut(icmpProtocols[port.family], port.type, portBits));
    else named.push({ protocol: port.protocol, name: port.name });
  }
  return { cuts, named };
}
