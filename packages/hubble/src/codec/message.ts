// Flow <-> protobuf-es's message of flow.Flow: for those who need every field by name (CEL, tests). Not the hot path.
import { create } from "@bufbuild/protobuf";
import { timestampFromNs, nsFromTimestamp } from "./time.ts";
import {
  type DropReason,
  type Endpoint,
  EndpointSchema,
  type Flow as FlowMessage,
  FlowSchema,
  type FlowType,
  type Policy,
  type Service,
  type SocketTranslationPoint,
  type TraceObservationPoint,
  type TraceReason,
  type TrafficDirection,
  type Verdict,
} from "../gen/flow/flow_pb.ts";
import {
  type Flow,
  type FlowEndpoint,
  type FlowPolicy,
  type FlowService,
  unknownEndpoint,
} from "../model.ts";
import { layer4FromMessage, messageFromLayer4 } from "./message-l4.ts";
import { layer7FromMessage, messageFromLayer7 } from "./message-l7.ts";
import { emitter, ipVersionOf, observationPointFromWire, observationPointToWire } from "./wire.ts";
import { isEmptyEndpoint } from "./encode-parts.ts";

/** @throws CodecError "time" for a time outside of years 1 to 9999 */
export function flowFromMessage(message: FlowMessage): Flow {
  const { IP: ip, l4, ethernet, eventType, interface: networkInterface } = message;
  return {
    sequence: 0,
    timeNs: nsFromTimestamp(message.time),
    uuid: message.uuid,
    verdict: message.verdict,
    dropReason: message.dropReasonDesc === 0 ? message.dropReason : message.dropReasonDesc,
    ethernet: ethernet && { source: ethernet.source, destination: ethernet.destination },
    ip: ip && {
      source: ip.source,
      sourceXlated: ip.sourceXlated,
      destination: ip.destination,
      version: ipVersionOf(ip.ipVersion, ip.source),
      encrypted: ip.encrypted,
    },
    l4: l4 && layer4FromMessage(l4),
    source: endpointFromMessage(message.source),
    destination: endpointFromMessage(message.destination),
    type: message.Type,
    nodeName: message.nodeName,
    nodeLabels: message.nodeLabels,
    sourceNames: message.sourceNames,
    destinationNames: message.destinationNames,
    l7: message.l7 && layer7FromMessage(message.l7),
    isReply: message.isReply,
    eventType: { type: eventType?.type ?? 0, subType: eventType?.subType ?? 0 },
    sourceService: serviceFromMessage(message.sourceService),
    destinationService: serviceFromMessage(message.destinationService),
    direction: message.trafficDirection,
    policyMatchType: message.policyMatchType,
    observationPoint: observationPointFromWire(message.traceObservationPoint),
    traceReason: message.traceReason,
    interface: networkInterface && { index: networkInterface.index, name: networkInterface.name },
    proxyPort: message.proxyPort,
    socketPoint: message.sockXlatePoint,
    socketCookie: message.socketCookie,
    cgroupId: message.cgroupId,
    summary: message.Summary,
    egressAllowedBy: message.egressAllowedBy.map(policyFromMessage),
    ingressAllowedBy: message.ingressAllowedBy.map(policyFromMessage),
    egressDeniedBy: message.egressDeniedBy.map(policyFromMessage),
    ingressDeniedBy: message.ingressDeniedBy.map(policyFromMessage),
    policyLog: message.policyLog,
  };
}

/** What `encodeFlow` encodes. */
export function messageFromFlow(flow: Flow): FlowMessage {
  const { ip, l4, l7, ethernet, eventType, isReply } = flow;
  const message = create(FlowSchema, {
    time: timestampFromNs(flow.timeNs),
    uuid: flow.uuid,
    verdict: flow.verdict as Verdict,
    dropReason: flow.dropReason,
    dropReasonDesc: flow.dropReason as DropReason,
    Type: flow.type as FlowType,
    nodeName: flow.nodeName,
    nodeLabels: [...flow.nodeLabels],
    sourceNames: [...flow.sourceNames],
    destinationNames: [...flow.destinationNames],
    reply: isReply === true,
    trafficDirection: flow.direction as TrafficDirection,
    policyMatchType: flow.policyMatchType,
    traceObservationPoint: observationPointToWire(flow.observationPoint) as TraceObservationPoint,
    traceReason: flow.traceReason as TraceReason,
    proxyPort: flow.proxyPort,
    sockXlatePoint: flow.socketPoint as SocketTranslationPoint,
    socketCookie: flow.socketCookie,
    cgroupId: flow.cgroupId,
    emitter,
    egressAllowedBy: flow.egressAllowedBy.map(policyInit),
    ingressAllowedBy: flow.ingressAllowedBy.map(policyInit),
    egressDeniedBy: flow.egressDeniedBy.map(policyInit),
    ingressDeniedBy: flow.ingressDeniedBy.map(policyInit),
    policyLog: [...flow.policyLog],
    Summary: flow.summary,
    ...(isReply === undefined ? {} : { isReply }),
    ...(ethernet === undefined ? {} : { ethernet }),
    ...(ip === undefined ? {} : { IP: { ...ip, ipVersion: ip.version } }),
    ...(flow.sourceService === undefined ? {} : { sourceService: flow.sourceService }),
    ...(flow.destinationService === undefined
      ? {}
      : { destinationService: flow.destinationService }),
    ...(flow.interface === undefined ? {} : { interface: flow.interface }),
    ...(eventType.type === 0 && eventType.subType === 0 ? {} : { eventType }),
  });
  if (l4 !== undefined) message.l4 = messageFromLayer4(l4);
  if (l7 !== undefined) message.l7 = messageFromLayer7(l7);
  if (!isEmptyEndpoint(flow.source)) message.source = messageFromEndpoint(flow.source);
  if (!isEmptyEndpoint(flow.destination))
    message.destination = messageFromEndpoint(flow.destination);
  return message;
}

function endpointFromMessage(message: Endpoint | undefined): FlowEndpoint {
  if (message === undefined) return unknownEndpoint;
  return {
    id: message.ID,
    identity: message.identity,
    clusterName: message.clusterName,
    namespace: message.namespace,
    labels: message.labels,
    podName: message.podName,
    workloads: message.workloads.map(({ name, kind }) => ({ name, kind })),
  };
}

function messageFromEndpoint({ id, labels, workloads, ...rest }: FlowEndpoint): Endpoint {
  return create(EndpointSchema, {
    ID: id,
    labels: [...labels],
    workloads: workloads.map(({ name, kind }) => ({ name, kind })),
    ...rest,
  });
}

function serviceFromMessage(message: Service | undefined): FlowService | undefined {
  return message && { name: message.name, namespace: message.namespace };
}

function policyFromMessage({ name, namespace, labels, revision, kind }: Policy): FlowPolicy {
  return { name, namespace, labels, revision: Number(revision), kind };
}

function policyInit({ labels, revision, ...rest }: FlowPolicy) {
  return { ...rest, labels: [...labels], revision: BigInt(revision) };
}
