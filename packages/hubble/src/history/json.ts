// Values out of JSON that somebody else may have written: of the right type, or the block is damaged.
import type { FlowPolicy, FlowService, HttpHeader, Layer7 } from "../model.ts";
import { corrupt } from "./errors.ts";

/** @throws HistoryError corrupt, also for text that is no JSON */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw corrupt("a part that is no JSON");
  }
}

export function numberOf(value: unknown): number {
  if (typeof value !== "number") throw corrupt("a part that should be a number");
  return value;
}

export function textOf(value: unknown): string {
  if (typeof value !== "string") throw corrupt("a part that should be a text");
  return value;
}

export function listOf<T>(value: unknown, item: (value: unknown) => T): readonly T[] {
  if (!Array.isArray(value)) throw corrupt("a part that should be a list");
  return value.map(item);
}

export function textsOf(value: unknown): readonly string[] {
  return listOf(value, textOf);
}

type Fields = Readonly<Record<string, unknown>>;

function fieldsOf(value: unknown): Fields {
  if (typeof value !== "object" || value === null) throw corrupt("a part that should be an object");
  return value as Fields;
}

export function serviceOf(value: unknown): FlowService {
  const { name, namespace } = fieldsOf(value);
  return { name: textOf(name), namespace: textOf(namespace) };
}

export function policyOf(value: unknown): FlowPolicy {
  const { name, namespace, labels, revision, kind } = fieldsOf(value);
  return {
    name: textOf(name),
    namespace: textOf(namespace),
    labels: textsOf(labels),
    revision: numberOf(revision),
    kind: textOf(kind),
  };
}

export function policiesOf(value: unknown): readonly FlowPolicy[] {
  return listOf(value, policyOf);
}

export function layer7Of(value: unknown): Layer7 {
  const fields = fieldsOf(value);
  const type = numberOf(fields["type"]);
  if (type !== 0 && type !== 1 && type !== 2 && type !== 3) throw corrupt("a record of no type");
  const common = { type, latencyNs: numberOf(fields["latencyNs"]) } as const;
  switch (fields["kind"]) {
    case "dns":
      return { ...common, ...dnsOf(fields) };
    case "http":
      return { ...common, ...httpOf(fields) };
    case "kafka":
      return { ...common, ...kafkaOf(fields) };
    default:
      throw corrupt("a record of no known protocol");
  }
}

type Of<K extends Layer7["kind"]> = Omit<Extract<Layer7, { kind: K }>, "type" | "latencyNs">;

function dnsOf(fields: Fields): Of<"dns"> {
  return {
    kind: "dns",
    query: textOf(fields["query"]),
    ips: textsOf(fields["ips"]),
    ttl: numberOf(fields["ttl"]),
    cnames: textsOf(fields["cnames"]),
    observationSource: textOf(fields["observationSource"]),
    rcode: numberOf(fields["rcode"]),
    qtypes: textsOf(fields["qtypes"]),
    rrtypes: textsOf(fields["rrtypes"]),
  };
}

function httpOf(fields: Fields): Of<"http"> {
  return {
    kind: "http",
    code: numberOf(fields["code"]),
    method: textOf(fields["method"]),
    url: textOf(fields["url"]),
    protocol: textOf(fields["protocol"]),
    headers: listOf(fields["headers"], headerOf),
  };
}

function headerOf(value: unknown): HttpHeader {
  const { key, value: text } = fieldsOf(value);
  return { key: textOf(key), value: textOf(text) };
}

function kafkaOf(fields: Fields): Of<"kafka"> {
  return {
    kind: "kafka",
    errorCode: numberOf(fields["errorCode"]),
    apiVersion: numberOf(fields["apiVersion"]),
    apiKey: textOf(fields["apiKey"]),
    correlationId: numberOf(fields["correlationId"]),
    topic: textOf(fields["topic"]),
  };
}
