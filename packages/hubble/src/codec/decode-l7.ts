// Bytes of flow.Layer7 -> Layer7.
import type { HttpHeader, Layer7 } from "../model.ts";
import { type Reader, occursTwice } from "./reader.ts";
import { layer7Type } from "./wire.ts";

type Record = Layer7 extends infer L
  ? L extends Layer7
    ? Omit<L, "type" | "latencyNs">
    : never
  : never;

/** Begins at the message's length. undefined: no record that the model has. */
export function decodeLayer7(from: Reader): Layer7 | undefined {
  const outer = from.end;
  from.end = from.delimited();
  let type = 0;
  let latencyNs = 0;
  let record: Record | undefined;
  for (let tag = from.tag(); tag !== 0; tag = from.tag()) {
    if (tag === 8) type = from.int();
    else if (tag === 16) latencyNs = from.longUint();
    else if (tag === 802 || tag === 810 || tag === 818) {
      if (record !== undefined) throw occursTwice;
      if (tag === 802) record = decodeDns(from);
      else if (tag === 810) record = decodeHttp(from);
      else record = decodeKafka(from);
    } else from.skip(tag);
  }
  from.end = outer;
  return record && ({ type: layer7Type(type), latencyNs, ...record } as Layer7);
}

function decodeDns(from: Reader): Record {
  const outer = from.end;
  from.end = from.delimited();
  const ips: string[] = [];
  const cnames: string[] = [];
  const qtypes: string[] = [];
  const rrtypes: string[] = [];
  let query = "";
  let ttl = 0;
  let observationSource = "";
  let rcode = 0;
  for (let tag = from.tag(); tag !== 0; tag = from.tag()) {
    if (tag === 10) query = from.string();
    else if (tag === 18) ips.push(from.string());
    else if (tag === 24) ttl = from.uint();
    else if (tag === 34) cnames.push(from.string());
    else if (tag === 42) observationSource = from.string();
    else if (tag === 48) rcode = from.uint();
    else if (tag === 58) qtypes.push(from.string());
    else if (tag === 66) rrtypes.push(from.string());
    else from.skip(tag);
  }
  from.end = outer;
  return { kind: "dns", query, ips, ttl, cnames, observationSource, rcode, qtypes, rrtypes };
}

function decodeHttp(from: Reader): Record {
  const outer = from.end;
  from.end = from.delimited();
  const headers: HttpHeader[] = [];
  let code = 0;
  let method = "";
  let url = "";
  let protocol = "";
  for (let tag = from.tag(); tag !== 0; tag = from.tag()) {
    if (tag === 8) code = from.uint();
    else if (tag === 18) method = from.string();
    else if (tag === 26) url = from.string();
    else if (tag === 34) protocol = from.string();
    else if (tag === 42) headers.push(decodeHeader(from));
    else from.skip(tag);
  }
  from.end = outer;
  return { kind: "http", code, method, url, protocol, headers };
}

function decodeHeader(from: Reader): HttpHeader {
  const outer = from.end;
  from.end = from.delimited();
  let key = "";
  let value = "";
  for (let tag = from.tag(); tag !== 0; tag = from.tag()) {
    if (tag === 10) key = from.string();
    else if (tag === 18) value = from.string();
    else from.skip(tag);
  }
  from.end = outer;
  return { key, value };
}

function decodeKafka(from: Reader): Record {
  const outer = from.end;
  from.end = from.delimited();
  let errorCode = 0;
  let apiVersion = 0;
  let apiKey = "";
  let correlationId = 0;
  let topic = "";
  for (let tag = from.tag(); tag !== 0; tag = from.tag()) {
    if (tag === 8) errorCode = from.int();
    else if (tag === 16) apiVersion = from.int();
    else if (tag === 26) apiKey = from.string();
    else if (tag === 32) correlationId = from.int();
    else if (tag === 42) topic = from.string();
    else from.skip(tag);
  }
  from.end = outer;
  return { kind: "kafka", errorCode, apiVersion, apiKey, correlationId, topic };
}
