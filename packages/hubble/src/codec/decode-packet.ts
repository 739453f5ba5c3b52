// Bytes -> the parts of a flow that its packet had: layers 2 to 4. Each begins at the length of its message.
import type { Flow, FlowIp, Layer4, TcpFlags } from "../model.ts";
import { type Reader, occursTwice } from "./reader.ts";
import { ipVersionOf } from "./wire.ts";

type Ethernet = NonNullable<Flow["ethernet"]>;
type Interface = NonNullable<Flow["interface"]>;

export function decodeEthernet(from: Reader, before: Ethernet | undefined): Ethernet {
  if (before !== undefined) throw occursTwice;
  const outer = from.end;
  from.end = from.delimited();
  let source = "";
  let destination = "";
  for (let tag = from.tag(); tag !== 0; tag = from.tag()) {
    if (tag === 10) source = from.string();
    else if (tag === 18) destination = from.string();
    else from.skip(tag);
  }
  from.end = outer;
  return { source, destination };
}

export function decodeIp(from: Reader, before: FlowIp | undefined): FlowIp {
  if (before !== undefined) throw occursTwice;
  const outer = from.end;
  from.end = from.delimited();
  let source = "";
  let sourceXlated = "";
  let destination = "";
  let version = 0;
  let encrypted = false;
  for (let tag = from.tag(); tag !== 0; tag = from.tag()) {
    if (tag === 10) source = from.string();
    else if (tag === 18) destination = from.string();
    else if (tag === 24) version = from.int();
    else if (tag === 32) encrypted = from.bool();
    else if (tag === 42) sourceXlated = from.string();
    else from.skip(tag);
  }
  from.end = outer;
  return { source, sourceXlated, destination, version: ipVersionOf(version, source), encrypted };
}

/** undefined: a protocol that the model has not (VRRP, IGMP), or none. Of several the last counts. */
export function decodeLayer4(from: Reader): Layer4 | undefined {
  const outer = from.end;
  from.end = from.delimited();
  let found: Layer4 | undefined;
  for (let tag = from.tag(); tag !== 0; tag = from.tag()) {
    if (tag >= 10 && tag <= 58 && (tag & 7) === 2) {
      if (found !== undefined) throw occursTwice;
      if (tag === 10) found = decodeTcp(from);
      else if (tag === 18) found = decodePorts(from, "udp");
      else if (tag === 26) found = decodeIcmp(from, "icmp4");
      else if (tag === 34) found = decodeIcmp(from, "icmp6");
      else if (tag === 42) found = decodePorts(from, "sctp");
      else from.skip(tag);
    } else from.skip(tag);
  }
  from.end = outer;
  return found;
}

function decodeTcp(from: Reader): Layer4 {
  const outer = from.end;
  from.end = from.delimited();
  let sourcePort = 0;
  let destinationPort = 0;
  let flags: TcpFlags | undefined;
  for (let tag = from.tag(); tag !== 0; tag = from.tag()) {
    if (tag === 8) sourcePort = from.uint();
    else if (tag === 16) destinationPort = from.uint();
    else if (tag === 26) flags = decodeTcpFlags(from, flags);
    else from.skip(tag);
  }
  from.end = outer;
  return { kind: "tcp", sourcePort, destinationPort, flags };
}

function decodePorts(from: Reader, kind: "udp" | "sctp"): Layer4 {
  const outer = from.end;
  from.end = from.delimited();
  let sourcePort = 0;
  let destinationPort = 0;
  for (let tag = from.tag(); tag !== 0; tag = from.tag()) {
    if (tag === 8) sourcePort = from.uint();
    else if (tag === 16) destinationPort = from.uint();
    else from.skip(tag);
  }
  from.end = outer;
  return { kind, sourcePort, destinationPort };
}

function decodeIcmp(from: Reader, kind: "icmp4" | "icmp6"): Layer4 {
  const outer = from.end;
  from.end = from.delimited();
  let type = 0;
  let code = 0;
  for (let tag = from.tag(); tag !== 0; tag = from.tag()) {
    if (tag === 8) type = from.uint();
    else if (tag === 16) code = from.uint();
    else from.skip(tag);
  }
  from.end = outer;
  return { kind, type, code };
}

function decodeTcpFlags(from: Reader, before: TcpFlags | undefined): TcpFlags {
  if (before !== undefined) throw occursTwice;
  const outer = from.end;
  from.end = from.delimited();
  /** Bit n: field n. */
  let bits = 0;
  for (let tag = from.tag(); tag !== 0; tag = from.tag()) {
    if (tag <= 72 && (tag & 7) === 0) {
      const bit = 1 << (tag >> 3);
      bits = from.bool() ? bits | bit : bits & ~bit;
    } else from.skip(tag);
  }
  from.end = outer;
  return {
    fin: (bits & 2) !== 0,
    syn: (bits & 4) !== 0,
    rst: (bits & 8) !== 0,
    psh: (bits & 16) !== 0,
    ack: (bits & 32) !== 0,
    urg: (bits & 64) !== 0,
    ece: (bits & 128) !== 0,
    cwr: (bits & 256) !== 0,
    ns: (bits & 512) !== 0,
  };
}

export function decodeInterface(from: Reader, before: Interface | undefined): Interface {
  if (before !== undefined) throw occursTwice;
  const outer = from.end;
  from.end = from.delimited();
  let index = 0;
  let name = "";
  for (let tag = from.tag(); tag !== 0; tag = from.tag()) {
    if (tag === 8) index = from.uint();
    else if (tag === 18) name = from.string();
    else from.skip(tag);
  }
  from.end = outer;
  return { index, name };
}
