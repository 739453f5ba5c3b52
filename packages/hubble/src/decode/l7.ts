// What proxies saw, as flows.
import { Address } from "@tsilium/net";
import { type Enricher, type KnownAddress, unnamedRule } from "../enrich/index.ts";
import {
  emptyFlow,
  EventType,
  type Flow,
  type FlowEndpoint,
  type FlowPolicy,
  FlowType,
  type Layer4,
  type Layer7,
  TrafficDirection,
  Verdict,
} from "../model.ts";
import { l7Summary } from "./l7-summary.ts";

/** One side of a request's connection, as the proxy knows it. */
export type L7Party = {
  /** IP address as text; "": not known. */
  readonly address: string;
  readonly port: number;
  /** 0: what the address says. */
  readonly identity: number;
};

/** A request or an answer that a proxy let through or refused. Plain: survives structured cloning. */
export type L7Record = {
  /** UNIX time, nanoseconds. */
  readonly timeNs: bigint;
  /** The pod whose policy the proxy enforces, 0: none. */
  readonly endpointId: number;
  /** A number of TrafficDirection: whether it enforces that pod's ingress or egress policy. */
  readonly direction: number;
  /** Who sent this message: of an answer the server. */
  readonly source: L7Party;
  readonly destination: L7Party;
  /** IP protocol. */
  readonly protocol: number;
  /** A number of Verdict: FORWARDED, DROPPED, REDIRECTED, ERROR, or AUDIT for what would be denied and is not. */
  readonly verdict: number;
  readonly l7: Layer7;
  /** Number of the rule that decided, 0: none. */
  readonly rule: number;
  readonly proxyPort: number;
  /** What policies say to log (`log.value`). */
  readonly policyLog: readonly string[];
};

const requestType = 1;
const responseType = 2;
const none: readonly never[] = Object.freeze([]);

/** The flow of a record, which has no number yet. Answers of DNS teach the enricher names. */
export function l7Flow(record: L7Record, enricher: Enricher): Flow {
  const { l7, protocol, verdict, direction } = record;
  const source = partyOf(record.source, enricher);
  const destination = partyOf(record.destination, enricher);
  learnNames(record, enricher);
  const from = source.endpoint;
  const to = destination.endpoint;
  const family = (source.address ?? destination.address)?.family;
  return {
    ...emptyFlow,
    timeNs: record.timeNs,
    verdict,
    ip: family && {
      source: record.source.address,
      sourceXlated: "",
      destination: record.destination.address,
      version: family === 4 ? 1 : 2,
      encrypted: false,
    },
    l4: layer4(protocol, record.source.port, record.destination.port),
    source: from,
    destination: to,
    type: FlowType.l7,
    nodeName: enricher.nodeName,
    nodeLabels: enricher.nodeLabels,
    sourceNames: enricher.names.of(to.id, record.source.address),
    destinationNames: enricher.names.of(from.id, record.destination.address),
    l7: inOrder(l7),
    isReply: l7.type === responseType,
    eventType: { type: EventType.l7, subType: 0 },
    sourceService:
      source.address && enricher.serviceAt(source.address, record.source.port, protocol),
    destinationService:
      destination.address &&
      enricher.serviceAt(destination.address, record.destination.port, protocol),
    direction,
    proxyPort: record.proxyPort,
    summary: l7Summary(l7),
    ...policiesOf(record, enricher),
    policyLog: record.policyLog,
  };
}

type Party = { readonly address: KnownAddress | undefined; readonly endpoint: FlowEndpoint };

function partyOf({ address, identity }: L7Party, enricher: Enricher): Party {
  const parsed = Address.tryParse(address);
  if (!parsed) return { address: undefined, endpoint: emptyFlow.source };
  const { bytes } = parsed;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const word = (at: number): number => view.getUint32(at * 4);
  const known =
    parsed.family === 4
      ? enricher.ipv4(word(0))
      : enricher.ipv6(word(0), word(1), word(2), word(3));
  return { address: known, endpoint: enricher.endpointAt(known, identity) };
}

/** Only a proxy's answer to a pod's own question is believed. */
function learnNames({ l7, endpointId, timeNs, direction, verdict }: L7Record, enricher: Enricher) {
  if (l7.kind !== "dns" || l7.type !== responseType || l7.rcode !== 0) return;
  if (direction !== TrafficDirection.egress || verdict === Verdict.dropped || endpointId === 0)
    return;
  for (const address of l7.ips) enricher.names.learn(endpointId, address, l7.query, l7.ttl, timeNs);
}

function layer4(protocol: number, sourcePort: number, destinationPort: number): Layer4 | undefined {
  if (protocol === 6) return { kind: "tcp", sourcePort, destinationPort, flags: undefined };
  return protocol === 17 ? { kind: "udp", sourcePort, destinationPort } : undefined;
}

/** As Cilium: headers sorted by name, and of a request nothing that only answers have. */
function inOrder(l7: Layer7): Layer7 {
  if (l7.kind !== "http") return l7;
  const headers = l7.headers.toSorted(({ key: a }, { key: b }) => (a < b ? -1 : Number(a > b)));
  return { ...l7, headers, code: l7.type === requestType ? 0 : l7.code };
}

type Attribution = Pick<
  Flow,
  "egressAllowedBy" | "ingressAllowedBy" | "egressDeniedBy" | "ingressDeniedBy"
>;

function policiesOf({ rule, verdict, direction }: L7Record, enricher: Enricher): Attribution {
  const policies: readonly FlowPolicy[] =
    rule === 0 ? none : (enricher.rule(rule) ?? unnamedRule(rule)).policies;
  const isEgress = direction === TrafficDirection.egress;
  // As of packets: whose rules would have denied it.
  const isDenied = verdict === Verdict.dropped || verdict === Verdict.audit;
  return {
    egressAllowedBy: isEgress && !isDenied ? policies : none,
    ingressAllowedBy: isEgress || isDenied ? none : policies,
    egressDeniedBy: isEgress && isDenied ? policies : none,
    ingressDeniedBy: isEgress || !isDenied ? none : policies,
  };
}
