// Sockets that asked for a service: two flows for one call, as Cilium tells it, to the service's address and to the backend;
// or one drop, where there is no backend.
import { socketEventLayout, translationPoint } from "@tsilium/datapath";
import type { Enricher, KnownAddress } from "../enrich/index.ts";
import {
  emptyFlow,
  EventType,
  type Flow,
  FlowType,
  type Layer4,
  SocketPoint,
  TrafficDirection,
  Verdict,
} from "../model.ts";
import type { BootClock } from "./clock.ts";
import type { RecordHeader } from "./record.ts";

const {
  frontendAddress: frontendAt,
  backendAddress: backendAt,
  frontendPort: frontendPortAt,
  backendPort: backendPortAt,
  protocol: protocolAt,
  socketCookie: socketCookieAt,
  cgroupId: cgroupIdAt,
  netnsCookie: netnsCookieAt,
} = socketEventLayout;
const noBackend = 158;
const protocols = { tcp: 6, udp: 17, sctp: 132 } as const;

export class SocketFlows {
  readonly #enricher: Enricher;
  readonly #clock: BootClock;

  constructor(enricher: Enricher, clock: BootClock) {
    this.#enricher = enricher;
    this.#clock = clock;
  }

  /** Adds the flows of the record at `at`, which is whole. */
  add(header: RecordHeader, view: DataView, at: number, out: Flow[]): void {
    const protocol = view.getUint8(at + protocolAt);
    const asked = this.#addressAt(view, at + frontendAt);
    const askedPort = view.getUint16(at + frontendPortAt);
    const owner = this.#enricher.socketOwner(
      view.getBigUint64(at + netnsCookieAt, true),
      asked.family,
    );
    const common = {
      timeNs: this.#clock.unixNs(header.timestampNs),
      source: owner.endpoint,
      type: FlowType.sock,
      nodeName: this.#enricher.nodeName,
      nodeLabels: this.#enricher.nodeLabels,
      socketCookie: view.getBigUint64(at + socketCookieAt, true),
      cgroupId: view.getBigUint64(at + cgroupIdAt, true),
      summary: summaryOf(protocol),
    };
    const towards = (address: KnownAddress, port: number) => ({
      ip: {
        source: owner.address,
        sourceXlated: "",
        destination: address.text,
        version: address.family === 4 ? (1 as const) : (2 as const),
        encrypted: false,
      },
      l4: layer4(protocol, port),
      destination: this.#enricher.endpointAt(address, 0),
      destinationNames: this.#enricher.names.of(owner.endpoint.id, address.text),
    });
    const service =
      this.#enricher.serviceOf(header.frontend) ??
      this.#enricher.serviceAt(asked, askedPort, protocol);
    const before = {
      ...emptyFlow,
      ...common,
      ...towards(asked, askedPort),
      destinationService: service,
      socketPoint: SocketPoint.preForward,
    };
    if (header.code === translationPoint.refused) {
      out.push({
        ...before,
        verdict: Verdict.dropped,
        dropReason: noBackend,
        eventType: { type: EventType.drop, subType: noBackend },
        direction: TrafficDirection.egress,
      });
      return;
    }
    const backend = this.#addressAt(view, at + backendAt);
    const backendPort = view.getUint16(at + backendPortAt);
    out.push(
      {
        ...before,
        verdict: Verdict.traced,
        eventType: { type: EventType.traceSock, subType: SocketPoint.preForward },
      },
      {
        ...emptyFlow,
        ...common,
        ...towards(backend, backendPort),
        verdict: Verdict.translated,
        eventType: { type: EventType.traceSock, subType: SocketPoint.postForward },
        destinationService: this.#enricher.serviceAt(backend, backendPort, protocol),
        socketPoint: SocketPoint.postForward,
      },
    );
  }

  /** IPv4 is ::ffff:a.b.c.d. */
  #addressAt(view: DataView, at: number): KnownAddress {
    const [a, b, c, d] = [0, 4, 8, 12].map((word) => view.getUint32(at + word)) as [
      number,
      number,
      number,
      number,
    ];
    if (a === 0 && b === 0 && c === 0xffff) return this.#enricher.ipv4(d);
    return this.#enricher.ipv6(a, b, c, d);
  }
}

/** The port that a socket speaks from is not known yet. */
function layer4(protocol: number, destinationPort: number): Layer4 | undefined {
  const ports = { sourcePort: 0, destinationPort };
  if (protocol === protocols.tcp) return { kind: "tcp", ...ports, flags: undefined };
  if (protocol === protocols.udp) return { kind: "udp", ...ports };
  return protocol === protocols.sctp ? { kind: "sctp", ...ports } : undefined;
}

function summaryOf(protocol: number): string {
  if (protocol === protocols.tcp) return "TCP";
  if (protocol === protocols.udp) return "UDP";
  return protocol === protocols.sctp ? "SCTP" : "Unknown";
}
