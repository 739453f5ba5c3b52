// Bytes of flow.Flow -> Flow. Endpoints, services and policies that come again are the same objects. Bytes in which a
// nested message occurs twice (legal: they are to be merged; no encoder writes it) go the slow way, over protobuf-es.
import { fromBinary } from "@bufbuild/protobuf";
import { FlowSchema } from "../gen/flow/flow_pb.ts";
import {
  type Flow,
  type FlowEndpoint,
  type FlowPolicy,
  type FlowService,
  unknownEndpoint,
} from "../model.ts";
import { decodeLayer7 } from "./decode-l7.ts";
import { decodeEthernet, decodeInterface, decodeIp, decodeLayer4 } from "./decode-packet.ts";
import { decodeEndpoint, decodePolicy, decodeService } from "./decode-parts.ts";
import { CodecError } from "./error.ts";
import { interned } from "./interned.ts";
import { flowFromMessage } from "./message.ts";
import { Reader, occursTwice } from "./reader.ts";
import { observationPointFromWire } from "./wire.ts";

/**
 * A decoder with a memory of its own for what flows share: one per peer, say.
 * The decoder: bytes of flow.Flow -> Flow, with `sequence` 0. @throws CodecError
 */
export function flowDecoder(): (bytes: Uint8Array) => Flow {
  const shared = {
    endpoint: interned(decodeEndpoint),
    service: interned(decodeService),
    policy: interned(decodePolicy),
  };
  return (bytes) => {
    try {
      return decode(new Reader(bytes), shared);
    } catch (error) {
      if (error === occursTwice) return decodeSlowly(bytes);
      throw error;
    }
  };
}

/** Bytes of flow.Flow -> Flow, with `sequence` 0. @throws CodecError */
export const decodeFlow: (bytes: Uint8Array) => Flow = flowDecoder();

type PartDecoder<T> = (bytes: Buffer, begin: number, end: number) => T;

type Shared = {
  readonly endpoint: PartDecoder<FlowEndpoint>;
  readonly service: PartDecoder<FlowService>;
  readonly policy: PartDecoder<FlowPolicy>;
};

/** Shared by all flows that have none of something. */
const none: readonly never[] = Object.freeze([]);

function decode(from: Reader, shared: Shared): Flow {
  let timeNs = 0n;
  let hasTime = false;
  let uuid = "";
  let verdict = 0;
  let dropReason = 0;
  let oldDropReason = 0;
  let ethernet: Flow["ethernet"];
  let ip: Flow["ip"];
  let l4: Flow["l4"];
  let hasL4 = false;
  let source: FlowEndpoint | undefined;
  let destination: FlowEndpoint | undefined;
  let type = 0;
  let nodeName = "";
  let nodeLabels: string[] | undefined;
  let sourceNames: string[] | undefined;
  let destinationNames: string[] | undefined;
  let l7: Flow["l7"];
  let hasL7 = false;
  let isReply: boolean | undefined;
  let eventType: Flow["eventType"] | undefined;
  let sourceService: Flow["sourceService"];
  let destinationService: Flow["sourceService"];
  let direction = 0;
  let policyMatchType = 0;
  let observationPoint = 0;
  let traceReason = 0;
  let networkInterface: Flow["interface"];
  let proxyPort = 0;
  let socketPoint = 0;
  let socketCookie = 0n;
  let cgroupId = 0n;
  let summary = "";
  let egressAllowedBy: FlowPolicy[] | undefined;
  let ingressAllowedBy: FlowPolicy[] | undefined;
  let egressDeniedBy: FlowPolicy[] | undefined;
  let ingressDeniedBy: FlowPolicy[] | undefined;
  let policyLog: string[] | undefined;

  for (let tag = from.tag(); tag !== 0; tag = from.tag()) {
    switch (tag) {
      case 10:
        if (hasTime) throw occursTwice;
        hasTime = true;
        timeNs = from.time();
        break;
      case 16:
        verdict = from.int();
        break;
      case 24:
        oldDropReason = from.uint();
        break;
      case 34:
        ethernet = decodeEthernet(from, ethernet);
        break;
      case 42:
        ip = decodeIp(from, ip);
        break;
      case 50:
        if (hasL4) throw occursTwice;
        hasL4 = true;
        l4 = decodeLayer4(from);
        break;
      case 66:
        source = part(from, shared.endpoint, source);
        break;
      case 74:
        destination = part(from, shared.endpoint, destination);
        break;
      case 80:
        type = from.int();
        break;
      case 90:
        nodeName = from.string();
        break;
      case 106:
        (sourceNames ??= []).push(from.string());
        break;
      case 114:
        (destinationNames ??= []).push(from.string());
        break;
      case 122:
        if (hasL7) throw occursTwice;
        hasL7 = true;
        l7 = decodeLayer7(from);
        break;
      case 154:
        eventType = decodeEventType(from, eventType);
        break;
      case 162:
        sourceService = part(from, shared.service, sourceService);
        break;
      case 170:
        destinationService = part(from, shared.service, destinationService);
        break;
      case 176:
        direction = from.int();
        break;
      case 184:
        policyMatchType = from.uint();
        break;
      case 192:
        observationPoint = from.int();
        break;
      case 200:
        dropReason = from.int();
        break;
      case 210:
        isReply = decodeBoolValue(from, isReply);
        break;
      case 226:
        networkInterface = decodeInterface(from, networkInterface);
        break;
      case 232:
        proxyPort = from.uint();
        break;
      case 248:
        socketPoint = from.int();
        break;
      case 256:
        socketCookie = from.bigUint();
        break;
      case 264:
        cgroupId = from.bigUint();
        break;
      case 274:
        uuid = from.string();
        break;
      case 288:
        traceReason = from.int();
        break;
      case 298:
        (nodeLabels ??= []).push(from.string());
        break;
      case 168_010:
        (egressAllowedBy ??= []).push(part(from, shared.policy, undefined));
        break;
      case 168_018:
        (ingressAllowedBy ??= []).push(part(from, shared.policy, undefined));
        break;
      case 168_034:
        (egressDeniedBy ??= []).push(part(from, shared.policy, undefined));
        break;
      case 168_042:
        (ingressDeniedBy ??= []).push(part(from, shared.policy, undefined));
        break;
      case 168_050:
        (policyLog ??= []).push(from.string());
        break;
      case 800_002:
        summary = from.string();
        break;
      default:
        from.skip(tag);
    }
  }
  return {
    sequence: 0,
    timeNs,
    uuid,
    verdict,
    dropReason: dropReason === 0 ? oldDropReason : dropReason,
    ethernet,
    ip,
    l4,
    source: source ?? unknownEndpoint,
    destination: destination ?? unknownEndpoint,
    type,
    nodeName,
    nodeLabels: nodeLabels ?? none,
    sourceNames: sourceNames ?? none,
    destinationNames: destinationNames ?? none,
    l7,
    isReply,
    eventType: eventType ?? noEventType,
    sourceService,
    destinationService,
    direction,
    policyMatchType,
    observationPoint: observationPointFromWire(observationPoint),
    traceReason,
    interface: networkInterface,
    proxyPort,
    socketPoint,
    socketCookie,
    cgroupId,
    summary,
    egressAllowedBy: egressAllowedBy ?? none,
    ingressAllowedBy: ingressAllowedBy ?? none,
    egressDeniedBy: egressDeniedBy ?? none,
    ingressDeniedBy: ingressDeniedBy ?? none,
    policyLog: policyLog ?? none,
  };
}

const noEventType: Flow["eventType"] = Object.freeze({ type: 0, subType: 0 });

/** One of the shared parts; `before`: what the field held already. */
function part<T>(from: Reader, decodePart: PartDecoder<T>, before: T | undefined): T {
  if (before !== undefined) throw occursTwice;
  const end = from.delimited();
  const begin = from.at;
  from.at = end;
  return decodePart(from.bytes, begin, end);
}

function decodeEventType(from: Reader, before: Flow["eventType"] | undefined): Flow["eventType"] {
  if (before !== undefined) throw occursTwice;
  const outer = from.end;
  from.end = from.delimited();
  let type = 0;
  let subType = 0;
  for (let tag = from.tag(); tag !== 0; tag = from.tag()) {
    if (tag === 8) type = from.int();
    else if (tag === 16) subType = from.int();
    else from.skip(tag);
  }
  from.end = outer;
  return { type, subType };
}

function decodeBoolValue(from: Reader, before: boolean | undefined): boolean {
  if (before !== undefined) throw occursTwice;
  const outer = from.end;
  from.end = from.delimited();
  let value = false;
  for (let tag = from.tag(); tag !== 0; tag = from.tag()) {
    if (tag === 8) value = from.bool();
    else from.skip(tag);
  }
  from.end = outer;
  return value;
}

function decodeSlowly(bytes: Uint8Array): Flow {
  try {
    return flowFromMessage(fromBinary(FlowSchema, bytes));
  } catch (cause) {
    if (cause instanceof CodecError) throw cause;
    throw new CodecError("message", "not a flow.Flow", { cause });
  }
}
