// Flows -> the connections that they were about: who wanted to talk to whom on which port, and whether policy let them.
// Replies, translations and the same packet seen elsewhere do not make connections of their own.
import type { Flow, FlowEndpoint } from "@tsilium/hubble/model.ts";
import { Labels } from "@tsilium/net";
import { type FlowPort, portOf, portText } from "../suggest/port.ts";
import { type Party, partyKey, partyOf } from "../suggest/party.ts";

export type SeenEnd = {
  readonly party: Party;
  /** `partyKey(party)` */
  readonly key: string;
  readonly endpoint: FlowEndpoint;
  /** The endpoint's. */
  readonly labels: Labels;
  /** "": of more addresses than are kept apart. */
  readonly address: string;
};

export type SeenConnection = {
  readonly from: SeenEnd;
  readonly to: SeenEnd;
  readonly port: FlowPort;
  /** denied: by policy, at either end, and never let through. */
  readonly outcome: "forwarded" | "denied";
  /** Flows that were let through, those in audit mode among them. */
  readonly forwarded: number;
  /** Let through in audit mode alone. */
  readonly audited: number;
  readonly denied: number;
  /** The newest of them; the newest that was denied, if `outcome` says so. */
  readonly example: Flow;
};

/** Pairs of addresses that are kept apart, for each pair of ends and port. */
const mostAddresses = 1024;
/** A scan of all ports must not take all memory. */
const mostConnections = 200_000;

type Side = "ingress" | "egress";

type Who = {
  readonly key: string;
  /** undefined: nobody knows who it is. */
  readonly end: Omit<SeenEnd, "address"> | undefined;
};

type Seen = {
  readonly from: SeenEnd;
  readonly to: SeenEnd;
  readonly port: FlowPort;
  readonly forwarded: Record<Side, number>;
  readonly denied: Record<Side, number>;
  audited: number;
  lastForwarded: Flow | undefined;
  lastDenied: Flow | undefined;
};

export class SeenConnections {
  readonly #seen = new Map<string, Seen>();
  readonly #who = new WeakMap<FlowEndpoint, Who>();
  /** How many addresses there are of what is else the same. */
  readonly #addresses = new Map<string, number>();
  #flows = 0;
  #used = 0;
  #leftOut = 0;

  /** Flows that were added. */
  get flows(): number {
    return this.#flows;
  }

  /** Those of them that said something of a connection. */
  get usedFlows(): number {
    return this.#used;
  }

  /** Flows of connections that came when there were too many. */
  get leftOutFlows(): number {
    return this.#leftOut;
  }

  /** In any order. */
  add(flow: Flow): void {
    this.#flows++;
    const what = judged(flow);
    const port = portOf(flow);
    if (what === undefined || port === undefined) return;
    const seen = this.#find(flow, port);
    if (seen === undefined) return;
    this.#used++;
    const side = flow.direction === ingressDirection ? "ingress" : "egress";
    if (what === "denied") {
      seen.denied[side]++;
      seen.lastDenied = newer(seen.lastDenied, flow);
    } else {
      seen.forwarded[side]++;
      if (what === "audited") seen.audited++;
      seen.lastForwarded = newer(seen.lastForwarded, flow);
    }
  }

  connections(): SeenConnection[] {
    return [...this.#seen.values()].map(connectionOf);
  }

  /** undefined: nobody knows who is at an end, or there are too many. */
  #find({ source, destination, ip }: Flow, port: FlowPort): Seen | undefined {
    const [from, to] = [this.#whoIs(source), this.#whoIs(destination)];
    if (from.end === undefined || to.end === undefined) return undefined;
    const pair = `${from.key}|${to.key}|${portText(port)}`;
    const exact = `${pair}|${ip?.source}|${ip?.destination}`;
    const known = this.#seen.get(exact);
    if (known) return known;
    const count = (this.#addresses.get(pair) ?? 0) + 1;
    const isApart = count <= mostAddresses;
    if (isApart) this.#addresses.set(pair, count);
    const key = isApart ? exact : `${pair}|others`;
    const others = this.#seen.get(key);
    if (others) return others;
    if (this.#seen.size >= mostConnections) {
      this.#leftOut++;
      return undefined;
    }
    return this.#put(key, {
      from: { ...from.end, address: (isApart && ip?.source) || "" },
      to: { ...to.end, address: (isApart && ip?.destination) || "" },
      port,
    });
  }

  #whoIs(endpoint: FlowEndpoint): Who {
    let who = this.#who.get(endpoint);
    if (who === undefined) this.#who.set(endpoint, (who = whoIs(endpoint)));
    return who;
  }

  #put(key: string, what: Pick<Seen, "from" | "to" | "port">): Seen {
    const seen: Seen = {
      ...what,
      forwarded: { ingress: 0, egress: 0 },
      denied: { ingress: 0, egress: 0 },
      audited: 0,
      lastForwarded: undefined,
      lastDenied: undefined,
    };
    this.#seen.set(key, seen);
    return seen;
  }
}

// Numbers of flow.proto.
const verdicts = { forwarded: 1, dropped: 2, audit: 4, redirected: 5 } as const;
const l3l4 = 1;
const policyVerdictEvent = 5;
const relatedReason = 4;
const ingressDirection = 1;
const egressDirection = 2;
/** Cilium's drop reasons of policy: no rule allows it, a rule denies it, authentication is missing. */
const policyReasons: ReadonlySet<number> = new Set([133, 181, 189]);

/** What became of the connection; undefined: the flow does not tell, or another tells it better. */
function judged(flow: Flow): "forwarded" | "audited" | "denied" | undefined {
  if (flow.type !== l3l4 || flow.isReply === true || flow.traceReason === relatedReason)
    return undefined;
  // Seen on a device: at the pod it is seen as well.
  if (flow.direction !== ingressDirection && flow.direction !== egressDirection) return undefined;
  switch (flow.verdict) {
    case verdicts.dropped:
      return policyReasons.has(flow.dropReason) && isBeginning(flow) ? "denied" : undefined;
    case verdicts.audit:
      return "audited";
    case verdicts.forwarded:
    case verdicts.redirected:
      // Where it is not known whether it is a reply it may be one.
      return flow.isReply === false || flow.eventType.type === policyVerdictEvent
        ? "forwarded"
        : undefined;
    default:
      return undefined;
  }
}

/** A packet in the midst of a connection, dropped after a change of policy, does not say who began. */
function isBeginning({ l4 }: Flow): boolean {
  if (l4?.kind !== "tcp" || l4.flags === undefined) return true;
  return l4.flags.syn && !l4.flags.ack;
}

function whoIs(endpoint: FlowEndpoint): Who {
  const { clusterName, namespace, labels } = endpoint;
  const key = `${clusterName}/${namespace} ${labels.join(",")}`;
  const party = partyOf(endpoint);
  const parsed = parseLabels(labels);
  if (party === undefined || parsed === undefined) return { key, end: undefined };
  return { key, end: { party, key: partyKey(party), endpoint, labels: parsed } };
}

/** Flows may come from anybody's file. */
function parseLabels(texts: readonly string[]): Labels | undefined {
  try {
    return Labels.parse(texts);
  } catch {
    return undefined;
  }
}

function newer(known: Flow | undefined, flow: Flow): Flow {
  return known === undefined || flow.timeNs >= known.timeNs ? flow : known;
}

function connectionOf(seen: Seen): SeenConnection {
  const { from, to, port, forwarded, denied, audited, lastForwarded, lastDenied } = seen;
  const outcome = wasDenied(seen) ? "denied" : "forwarded";
  const example = outcome === "denied" ? lastDenied : lastForwarded;
  return {
    from,
    to,
    port,
    outcome,
    forwarded: forwarded.ingress + forwarded.egress,
    audited,
    denied: denied.ingress + denied.egress,
    example: (example ?? lastForwarded ?? lastDenied) as Flow,
  };
}

/** What the sender's side let through and the receiver's never did has not arrived. */
function wasDenied({ forwarded, denied }: Seen): boolean {
  if (forwarded.ingress > 0) return false;
  return denied.ingress > 0 || (denied.egress > 0 && forwarded.egress === 0);
}
