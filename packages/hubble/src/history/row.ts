// A flow of a block as filters are shown it: a view that moves from row to row and decodes what it is asked for, and the
// real flow once it is wanted.
import type { Flow } from "../model.ts";
import type { StoredBlock } from "./stored-block.ts";

/** The flow of a row, whole. @throws HistoryError corrupt */
export function flowAt(block: StoredBlock, row: number): Flow {
  const shape = block.shape(row);
  const conversation = block.conversation(row);
  // Keys in the order of `Flow`, as `emptyFlow` has them: one hidden class for all flows.
  return {
    sequence: block.sequence(row),
    timeNs: block.timeNs(row),
    uuid: block.uuid(row),
    verdict: shape.verdict,
    dropReason: shape.dropReason,
    ethernet: conversation.ethernet,
    ip: conversation.ip,
    l4: block.l4(row),
    source: conversation.source,
    destination: conversation.destination,
    type: shape.type,
    nodeName: conversation.nodeName,
    nodeLabels: conversation.nodeLabels,
    sourceNames: conversation.sourceNames,
    destinationNames: conversation.destinationNames,
    l7: block.layer7(row),
    isReply: shape.isReply,
    eventType: shape.eventType,
    sourceService: conversation.sourceService,
    destinationService: conversation.destinationService,
    direction: shape.direction,
    policyMatchType: shape.policyMatchType,
    observationPoint: shape.observationPoint,
    traceReason: shape.traceReason,
    interface: conversation.interface,
    proxyPort: shape.proxyPort,
    socketPoint: shape.socketPoint,
    socketCookie: block.socketCookie(row),
    cgroupId: conversation.cgroupId,
    summary: block.summary(row),
    egressAllowedBy: shape.egressAllowedBy,
    ingressAllowedBy: shape.ingressAllowedBy,
    egressDeniedBy: shape.egressDeniedBy,
    ingressDeniedBy: shape.ingressDeniedBy,
    policyLog: shape.policyLog,
  };
}

/** The flow of the row that it stands on, until it moves. @throws HistoryError corrupt, wherever it is asked */
export class RowView implements Flow {
  readonly #block: StoredBlock;
  #row = 0;

  constructor(block: StoredBlock) {
    this.#block = block;
  }

  moveTo(row: number): void {
    this.#row = row;
  }

  get #shape() {
    return this.#block.shape(this.#row);
  }
  get #conversation() {
    return this.#block.conversation(this.#row);
  }
  get sequence() {
    return this.#block.sequence(this.#row);
  }
  get timeNs() {
    return this.#block.timeNs(this.#row);
  }
  get uuid() {
    return this.#block.uuid(this.#row);
  }
  get verdict() {
    return this.#shape.verdict;
  }
  get dropReason() {
    return this.#shape.dropReason;
  }
  get ethernet() {
    return this.#conversation.ethernet;
  }
  get ip() {
    return this.#conversation.ip;
  }
  get l4() {
    return this.#block.l4(this.#row);
  }
  get source() {
    return this.#conversation.source;
  }
  get destination() {
    return this.#conversation.destination;
  }
  get type() {
    return this.#shape.type;
  }
  get nodeName() {
    return this.#conversation.nodeName;
  }
  get nodeLabels() {
    return this.#conversation.nodeLabels;
  }
  get sourceNames() {
    return this.#conversation.sourceNames;
  }
  get destinationNames() {
    return this.#conversation.destinationNames;
  }
  get l7() {
    return this.#block.layer7(this.#row);
  }
  get isReply() {
    return this.#shape.isReply;
  }
  get eventType() {
    return this.#shape.eventType;
  }
  get sourceService() {
    return this.#conversation.sourceService;
  }
  get destinationService() {
    return this.#conversation.destinationService;
  }
  get direction() {
    return this.#shape.direction;
  }
  get policyMatchType() {
    return this.#shape.policyMatchType;
  }
  get observationPoint() {
    return this.#shape.observationPoint;
  }
  get traceReason() {
    return this.#shape.traceReason;
  }
  get interface() {
    return this.#conversation.interface;
  }
  get proxyPort() {
    return this.#shape.proxyPort;
  }
  get socketPoint() {
    return this.#shape.socketPoint;
  }
  get socketCookie() {
    return this.#block.socketCookie(this.#row);
  }
  get cgroupId() {
    return this.#conversation.cgroupId;
  }
  get summary() {
    return this.#block.summary(this.#row);
  }
  get egressAllowedBy() {
    return this.#shape.egressAllowedBy;
  }
  get ingressAllowedBy() {
    return this.#shape.ingressAllowedBy;
  }
  get egressDeniedBy() {
    return this.#shape.egressDeniedBy;
  }
  get ingressDeniedBy() {
    return this.#shape.ingressDeniedBy;
  }
  get policyLog() {
    return this.#shape.policyLog;
  }
}
