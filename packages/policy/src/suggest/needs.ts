// What the pods of one group need: in each direction, which peers at which ports.
import type { SeenConnection, SeenEnd } from "../replay/seen-connection.ts";
import type { Groups, Pods } from "./groups.ts";
import type { RulePeer, SuggestedKind, SuggestedRule } from "./manifest.ts";
import type { Party } from "./party.ts";
import { type FlowPort, portText } from "./port.ts";
import { compareTexts } from "./text.ts";

export type Direction = "ingress" | "egress";

/** A connection as one of its ends sees it. */
export type Need = {
  readonly direction: Direction;
  readonly peer: SeenEnd;
  readonly port: FlowPort;
  readonly connection: SeenConnection;
};

export type RuleContext = {
  readonly kind: SuggestedKind;
  /** The world by its addresses, not as an entity. */
  readonly cidr: boolean;
  readonly groups: Groups;
  /** Whose rules these are. */
  readonly subject: Pods;
  /** What they were denied in this direction. */
  readonly denied: DeniedNeeds;
};

/** Where else somebody of a party was denied a port: an entity that would let it in is too wide. */
export class DeniedNeeds {
  readonly #addresses = new Map<string, Set<string>>();

  constructor(needs: readonly Need[]) {
    for (const { peer, port } of needs) {
      const key = `${peer.key}|${portText(port)}`;
      const known = this.#addresses.get(key) ?? new Set();
      this.#addresses.set(key, known.add(peer.address));
    }
  }

  has({ key }: SeenEnd, port: FlowPort): boolean {
    return this.#addresses.has(`${key}|${portText(port)}`);
  }

  /** At another address than this end's. */
  hasElsewhere({ key, address }: SeenEnd, port: FlowPort): boolean {
    const addresses = this.#addresses.get(`${key}|${portText(port)}`);
    return addresses !== undefined && (addresses.size > 1 || !addresses.has(address));
  }
}

export type Rules = {
  readonly rules: readonly SuggestedRule[];
  /** Needs that no rule of this kind can name. */
  readonly unnameable: readonly Need[];
};

/** Rules of one direction, peers of the same ports together. */
export function rulesFor(needs: readonly Need[], context: RuleContext): Rules {
  const unnameable: Need[] = [];
  const found = new Map<string, { peer: RulePeer; ports: Map<string, FlowPort> }>();
  for (const need of needs) {
    const peer = peerFor(need, context);
    if (peer === undefined || isUnnameablePort(need.port, context)) {
      unnameable.push(need);
      continue;
    }
    const key = JSON.stringify(peer);
    const known = found.get(key) ?? { peer, ports: new Map<string, FlowPort>() };
    found.set(key, known);
    for (const port of [need.port, ...overTcpToo(need, context)])
      known.ports.set(portText(port), port);
  }
  return { rules: [...found.values()].flatMap(byPortKind).reduce(together, []), unnameable };
}

/** NetworkPolicy has no ICMP. */
function isUnnameablePort(port: FlowPort, { kind }: RuleContext): boolean {
  return kind === "NetworkPolicy" && port.kind === "icmp";
}

function peerFor(need: Need, context: RuleContext): RulePeer | undefined {
  const { party, address } = need.peer;
  if (party.kind === "pods") return podsPeer(party, context);
  const isWorld = party.name === "world";
  const isTooWide = isWorld && context.denied.hasElsewhere(need.peer, need.port);
  const mustBeAddress = context.kind === "NetworkPolicy" || isTooWide;
  const mayBeAddress = isWorld && context.cidr;
  if (!mustBeAddress && !mayBeAddress) return { kind: "entity", name: party.name };
  if (address !== "") return { kind: "address", address };
  return mustBeAddress ? undefined : { kind: "entity", name: party.name };
}

function podsPeer(party: Pods, { groups, subject }: RuleContext): RulePeer {
  const isOther = party.cluster !== subject.cluster;
  const selector = groups.selectorOf(party);
  return { kind: "pods", ...selector, cluster: isOther ? party.cluster : "" };
}

/** A DNS answer that is too long is asked for again over TCP: seldom, so that it may not have been seen. */
function overTcpToo({ port, peer, direction }: Need, { denied, subject }: RuleContext): FlowPort[] {
  if (port.kind !== "port" || port.port !== 53 || port.protocol !== "UDP") return [];
  if (!isClusterDns(direction === "egress" ? peer.party : subject)) return [];
  const tcp: FlowPort = { kind: "port", protocol: "TCP", port: 53 };
  return denied.has(peer, tcp) ? [] : [tcp];
}

const dnsNames: ReadonlySet<string> = new Set(["kube-dns", "coredns", "node-local-dns"]);

function isClusterDns(party: Party): boolean {
  if (party.kind !== "pods" || party.namespace !== "kube-system") return false;
  return ["k8s-app", "app.kubernetes.io/name"].some((key) => dnsNames.has(party.labels[key] ?? ""));
}

type PeerPorts = { readonly peer: RulePeer; readonly ports: Map<string, FlowPort> };

/** ICMP types and ports are two rules. */
function byPortKind({ peer, ports }: PeerPorts): SuggestedRule[] {
  const all = [...ports.values()].toSorted(inOrder);
  return (["port", "icmp"] as const)
    .map((kind) => ({ peers: [peer], ports: all.filter((port) => port.kind === kind) }))
    .filter((rule) => rule.ports.length > 0);
}

/** Puts a rule's peer to those of the same kind and ports. */
function together(
  rules: readonly SuggestedRule[],
  { peers, ports }: SuggestedRule,
): SuggestedRule[] {
  const [peer] = peers;
  const at = rules.findIndex(
    (rule) => rule.peers[0]?.kind === peer?.kind && textOf(rule.ports) === textOf(ports),
  );
  if (at < 0) return [...rules, { peers, ports }];
  return rules.map((rule, index) =>
    index === at ? { peers: [...rule.peers, ...peers], ports } : rule,
  );
}

function textOf(ports: readonly FlowPort[]): string {
  return ports.map(portText).join();
}

function inOrder(a: FlowPort, b: FlowPort): number {
  const key = (port: FlowPort) =>
    port.kind === "port" ? [port.port, port.protocol] : [port.type, `ICMPv${port.family}`];
  const [x = 0, p = ""] = key(a) as [number, string];
  const [y = 0, q = ""] = key(b) as [number, string];
  return x - y || compareTexts(p, q);
}
