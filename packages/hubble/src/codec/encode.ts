// Flow -> bytes of flow.Flow: every node encodes each flow for each client, so this is the hot path. Fields are written
// in the order of their numbers, as every protobuf library does; what flows share (endpoints, services, policies) is
// encoded once per object. Tags: field number * 8 + wire type (0 number, 2 length and bytes).
import type { Flow, FlowIp, FlowPolicy, Layer4, TcpFlags } from "../model.ts";
import { writeLayer7 } from "./encode-l7.ts";
import {
  encodedEmitter,
  encodedEndpoint,
  encodedPolicy,
  encodedService,
  isEmptyEndpoint,
} from "./encode-parts.ts";
import { observationPointToWire } from "./wire.ts";
import { Writer } from "./writer.ts";

/** Shared by all calls: none of them yields. */
const writer = new Writer();

/** The bytes of flow.Flow. `sequence` is not among them. */
export function encodeFlow(flow: Flow): Uint8Array {
  writer.start();
  writeFlow(writer, flow);
  return writer.take();
}

export function writeFlow(to: Writer, flow: Flow): void {
  to.time(10, flow.timeNs);
  to.intField(16, flow.verdict);
  to.uintField(24, flow.dropReason);
  if (flow.ethernet !== undefined) writeEthernet(to, flow.ethernet);
  if (flow.ip !== undefined) writeIp(to, flow.ip);
  if (flow.l4 !== undefined) writeLayer4(to, flow.l4);
  if (!isEmptyEndpoint(flow.source)) to.message(66, encodedEndpoint(flow.source));
  if (!isEmptyEndpoint(flow.destination)) to.message(74, encodedEndpoint(flow.destination));
  to.intField(80, flow.type);
  to.stringField(90, flow.nodeName);
  to.strings(106, flow.sourceNames);
  to.strings(114, flow.destinationNames);
  if (flow.l7 !== undefined) writeLayer7(to, flow.l7);
  to.boolField(128, flow.isReply === true);
  writeEventType(to, flow.eventType);
  if (flow.sourceService !== undefined) to.message(162, encodedService(flow.sourceService));
  if (flow.destinationService !== undefined)
    to.message(170, encodedService(flow.destinationService));
  to.intField(176, flow.direction);
  to.uintField(184, flow.policyMatchType);
  to.intField(192, observationPointToWire(flow.observationPoint));
  to.intField(200, flow.dropReason);
  if (flow.isReply !== undefined) writeIsReply(to, flow.isReply);
  if (flow.interface !== undefined) writeInterface(to, flow.interface);
  to.uintField(232, flow.proxyPort);
  to.intField(248, flow.socketPoint);
  to.bigField(256, flow.socketCookie);
  to.bigField(264, flow.cgroupId);
  to.stringField(274, flow.uuid);
  to.intField(288, flow.traceReason);
  to.strings(298, flow.nodeLabels);
  to.message(330, encodedEmitter);
  writePolicies(to, 168_010, flow.egressAllowedBy);
  writePolicies(to, 168_018, flow.ingressAllowedBy);
  writePolicies(to, 168_034, flow.egressDeniedBy);
  writePolicies(to, 168_042, flow.ingressDeniedBy);
  to.strings(168_050, flow.policyLog);
  to.stringField(800_002, flow.summary);
}

function writeEthernet(to: Writer, ethernet: NonNullable<Flow["ethernet"]>): void {
  const begin = to.open(34);
  to.stringField(10, ethernet.source);
  to.stringField(18, ethernet.destination);
  to.close(begin);
}

function writeIp(to: Writer, ip: FlowIp): void {
  const begin = to.open(42);
  to.stringField(10, ip.source);
  to.stringField(18, ip.destination);
  to.intField(24, ip.version);
  to.boolField(32, ip.encrypted);
  to.stringField(42, ip.sourceXlated);
  to.close(begin);
}

/** Field numbers of flow.Layer4. */
const layer4Tags = { tcp: 10, udp: 18, icmp4: 26, icmp6: 34, sctp: 42 } as const;

function writeLayer4(to: Writer, l4: Layer4): void {
  const begin = to.open(50);
  const inner = to.open(layer4Tags[l4.kind]);
  switch (l4.kind) {
    case "tcp":
      writePorts(to, l4);
      if (l4.flags !== undefined) writeTcpFlags(to, l4.flags);
      break;
    case "udp":
    case "sctp":
      writePorts(to, l4);
      break;
    case "icmp4":
    case "icmp6":
      to.uintField(8, l4.type);
      to.uintField(16, l4.code);
      break;
  }
  to.close(inner);
  to.close(begin);
}

type Ports = { readonly sourcePort: number; readonly destinationPort: number };

function writePorts(to: Writer, { sourcePort, destinationPort }: Ports): void {
  to.uintField(8, sourcePort);
  to.uintField(16, destinationPort);
}

function writeTcpFlags(to: Writer, flags: TcpFlags): void {
  const begin = to.open(26);
  to.boolField(8, flags.fin);
  to.boolField(16, flags.syn);
  to.boolField(24, flags.rst);
  to.boolField(32, flags.psh);
  to.boolField(40, flags.ack);
  to.boolField(48, flags.urg);
  to.boolField(56, flags.ece);
  to.boolField(64, flags.cwr);
  to.boolField(72, flags.ns);
  to.close(begin);
}

function writeEventType(to: Writer, { type, subType }: Flow["eventType"]): void {
  if (type === 0 && subType === 0) return;
  const begin = to.open(154);
  to.intField(8, type);
  to.intField(16, subType);
  to.close(begin);
}

/** google.protobuf.BoolValue: present even if it says false. */
function writeIsReply(to: Writer, isReply: boolean): void {
  const begin = to.open(210);
  to.boolField(8, isReply);
  to.close(begin);
}

function writeInterface(to: Writer, { index, name }: NonNullable<Flow["interface"]>): void {
  const begin = to.open(226);
  to.uintField(8, index);
  to.stringField(18, name);
  to.close(begin);
}

function writePolicies(to: Writer, tag: number, policies: readonly FlowPolicy[]): void {
  for (const policy of policies) to.message(tag, encodedPolicy(policy));
}
