// Bytes -> the parts that flows share: endpoints, services, policies.
import type { FlowEndpoint, FlowPolicy, FlowService, Workload } from "../model.ts";
import { type Reader, readerAt } from "./reader.ts";

export function decodeEndpoint(bytes: Buffer, begin: number, end: number): FlowEndpoint {
  const reader = readerAt(bytes, begin, end);
  const labels: string[] = [];
  const workloads: Workload[] = [];
  let id = 0;
  let identity = 0;
  let namespace = "";
  let podName = "";
  let clusterName = "";
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === 8) id = reader.uint();
    else if (tag === 16) identity = reader.uint();
    else if (tag === 26) namespace = reader.string();
    else if (tag === 34) labels.push(reader.string());
    else if (tag === 42) podName = reader.string();
    else if (tag === 50) workloads.push(decodeWorkload(reader));
    else if (tag === 58) clusterName = reader.string();
    else reader.skip(tag);
  }
  return { id, identity, clusterName, namespace, labels, podName, workloads };
}

function decodeWorkload(reader: Reader): Workload {
  const outer = reader.end;
  reader.end = reader.delimited();
  let name = "";
  let kind = "";
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === 10) name = reader.string();
    else if (tag === 18) kind = reader.string();
    else reader.skip(tag);
  }
  reader.end = outer;
  return { name, kind };
}

export function decodeService(bytes: Buffer, begin: number, end: number): FlowService {
  const reader = readerAt(bytes, begin, end);
  let name = "";
  let namespace = "";
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === 10) name = reader.string();
    else if (tag === 18) namespace = reader.string();
    else reader.skip(tag);
  }
  return { name, namespace };
}

export function decodePolicy(bytes: Buffer, begin: number, end: number): FlowPolicy {
  const reader = readerAt(bytes, begin, end);
  const labels: string[] = [];
  let name = "";
  let namespace = "";
  let revision = 0;
  let kind = "";
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === 10) name = reader.string();
    else if (tag === 18) namespace = reader.string();
    else if (tag === 26) labels.push(reader.string());
    else if (tag === 32) revision = reader.longUint();
    else if (tag === 42) kind = reader.string();
    else reader.skip(tag);
  }
  return { name, namespace, labels, revision, kind };
}
