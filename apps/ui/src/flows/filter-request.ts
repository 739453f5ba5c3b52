// Filters as words -> FlowFilters as the API takes them, with the meaning that they have in `hubble observe`: values of
// one word are alternatives, words narrow each other, and what is said of either end holds for one end at a time.
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { DropReason, FlowFilterSchema, IPVersion, TrafficDirection, Verdict } from "@tsilium/hubble/gen/flow/flow_pb.ts";
import type { FlowFilter } from "@tsilium/hubble/gen/flow/flow_pb.ts";
import { RequestError } from "../http/server.ts";
import type { Filter } from "../shared/filters.ts";
import { eventTypeNumbers, observationPoints, reservedIdentities } from "../shared/names.ts";

type Draft = MessageInitShape<typeof FlowFilterSchema>;
type ListField = {
  [Field in keyof FlowFilter]-?: FlowFilter[Field] extends unknown[] ? Field : never;
}[keyof FlowFilter];

export type FilterLists = { readonly whitelist: FlowFilter[]; readonly blacklist: FlowFilter[] };

/** @throws RequestError on a value that its word cannot have, and on words that contradict each other. */
export function filterLists(filters: readonly Filter[]): FilterLists {
  return {
    whitelist: flowFilters(filters.filter(({ not }) => !not)),
    blacklist: flowFilters(filters.filter(({ not }) => not)),
  };
}

/** Words about an end, and the fields of that end. */
const endFields = {
  pod: ["sourcePod", "destinationPod"],
  workload: ["sourceWorkload", "destinationWorkload"],
  service: ["sourceService", "destinationService"],
  label: ["sourceLabel", "destinationLabel"],
  ip: ["sourceIp", "destinationIp"],
  fqdn: ["sourceFqdn", "destinationFqdn"],
  identity: ["sourceIdentity", "destinationIdentity"],
  port: ["sourcePort", "destinationPort"],
  cluster: ["sourceClusterName", "destinationClusterName"],
} as const satisfies Readonly<Record<string, readonly [ListField, ListField]>>;
type EndWord = keyof typeof endFields;

/** Words about the flow: the field, and how a value is read. */
const flowFields: Readonly<Record<string, readonly [ListField, (value: string) => unknown]>> = {
  verdict: ["verdict", (value) => named(Verdict, value)],
  "drop-reason-desc": ["dropReasonDesc", (value) => named(DropReason, value)],
  protocol: ["protocol", text],
  type: ["eventType", eventType],
  "traffic-direction": ["trafficDirection", (value) => named(TrafficDirection, value.toUpperCase())],
  reply: ["reply", truth],
  "tcp-flags": ["tcpFlags", tcpFlags],
  "ip-version": ["ipVersion", ipVersion],
  "node-name": ["nodeName", text],
  "node-label": ["nodeLabels", text],
  interface: ["interface", (name) => ({ name })],
  "snat-ip": ["sourceIpXlated", text],
  encrypted: ["encrypted", truth],
  "http-status": ["httpStatusCode", text],
  "http-method": ["httpMethod", text],
  "http-path": ["httpPath", text],
  "http-url": ["httpUrl", text],
  "http-header": ["httpHeader", httpHeader],
  "dns-query": ["dnsQuery", text],
  "trace-id": ["traceId", text],
  uuid: ["uuid", text],
};

/** Pairs that would have to hold for both ends at once. */
const exclusive: readonly (readonly [string, string])[] = [
  ...Object.keys(endFields),
  "namespace",
].flatMap((word) => [
  [word, `from-${word}`] as const,
  [word, `to-${word}`] as const,
]);
/** Fields by which a peer is named: an address or a DNS name beside a pod would match nobody. */
const naming = ["ip", "fqdn", "pod"] as const;

function flowFilters(filters: readonly Filter[]): FlowFilter[] {
  if (filters.length === 0) return [];
  refuseContradictions(new Set(filters.map(({ word }) => word)));
  // A flow matches if what is said of either end holds for its source, or for its destination.
  const ends: [Draft, Draft] = [{}, {}];
  const namespaces = { either: [] as string[], from: [] as string[], to: [] as string[] };
  for (const { word, value } of filters) {
    try {
      add(ends, namespaces, word, value);
    } catch (error) {
      throw new RequestError(400, `${word}: ${(error as Error).message}`);
    }
  }
  const [left, right] = ends;
  withNamespaces(left, "source", [...namespaces.from, ...namespaces.either]);
  withNamespaces(left, "destination", namespaces.to);
  withNamespaces(right, "source", namespaces.from);
  withNamespaces(right, "destination", [...namespaces.to, ...namespaces.either]);
  const same = JSON.stringify(left, bigintText) === JSON.stringify(right, bigintText);
  return (same ? [left] : ends).map((draft) => create(FlowFilterSchema, draft));
}

const bigintText = (_: string, value: unknown) => (typeof value === "bigint" ? String(value) : value);

function refuseContradictions(words: ReadonlySet<string>): void {
  const pairs = [
    ...exclusive,
    ...["", "from-", "to-"].flatMap((end) =>
      naming.flatMap((a) =>
        naming.filter((b) => a < b).map((b) => [`${end}${a}`, `${end}${b}`] as const),
      ),
    ),
  ];
  for (const [a, b] of pairs) {
    if (words.has(a) && words.has(b))
      throw new RequestError(400, `${a} and ${b} cannot be combined`);
  }
}

function add(
  [left, right]: [Draft, Draft],
  namespaces: { either: string[]; from: string[]; to: string[] },
  word: string,
  value: string,
): void {
  const [, end = "either", noun = word]: readonly (string | undefined)[] =
    /^(from|to)-(.+)$/.exec(word) ?? [];
  if (noun === "namespace") {
    namespaces[end as keyof typeof namespaces].push(value);
  } else if (Object.hasOwn(endFields, noun)) {
    const [source, destination] = endFields[noun as EndWord];
    const read = noun === "workload" ? workload(value) : noun === "identity" ? identity(value) : value;
    if (end !== "to") push(left, source, read);
    if (end === "from") push(right, source, read);
    if (end !== "from") push(right, destination, read);
    if (end === "to") push(left, destination, read);
  } else if (word === "cel-expression") {
    for (const draft of [left, right]) {
      draft.experimental ??= { celExpression: [] };
      draft.experimental.celExpression?.push(value);
    }
  } else {
    const field = flowFields[word];
    if (!field) throw new Error("no such filter");
    const read = field[1](value);
    push(left, field[0], read);
    push(right, field[0], read);
  }
}

function push(draft: Draft, field: ListField, value: unknown): void {
  const lists = draft as { [Field in ListField]?: unknown[] };
  (lists[field] ??= []).push(value);
}

/** Namespaces go before the names of pods and services; without those they stand for all pods in them. */
function withNamespaces(
  draft: Draft,
  end: "source" | "destination",
  namespaces: readonly string[],
): void {
  if (namespaces.length === 0) return;
  const pods = draft[`${end}Pod`];
  const services = draft[`${end}Service`];
  if (pods === undefined && services === undefined) {
    draft[`${end}Pod`] = namespaces.map((namespace) => `${namespace}/`);
    return;
  }
  const inside = (names: readonly string[]) =>
    names.flatMap((name) =>
      name.includes("/") ? [name] : namespaces.map((namespace) => `${namespace}/${name}`),
    );
  if (pods !== undefined) draft[`${end}Pod`] = inside(pods);
  if (services !== undefined) draft[`${end}Service`] = inside(services);
}

function text(value: string): string {
  return value;
}

/** A name of a generated enum. */
function named(type: Readonly<Record<string, string | number>>, value: string): number {
  const number = Object.hasOwn(type, value) ? type[value] : undefined;
  if (typeof number !== "number") throw new Error(`${JSON.stringify(value)} is not one`);
  return number;
}

function truth(value: string): boolean {
  if (value !== "true" && value !== "false") throw new Error("wanted true or false");
  return value === "true";
}

function ipVersion(value: string): IPVersion {
  if (/^(ip)?v?4$/i.test(value)) return IPVersion.IPv4;
  if (/^(ip)?v?6$/i.test(value)) return IPVersion.IPv6;
  throw new Error("wanted 4 or 6");
}

function identity(value: string): number {
  const name = value.replace(/^reserved:/, "");
  if (Object.hasOwn(reservedIdentities, name)) return reservedIdentities[name] as number;
  if (/^\d{1,10}$/.test(value) && Number(value) < 2 ** 32) return Number(value);
  throw new Error(`wanted a number or one of ${Object.keys(reservedIdentities).join(", ")}`);
}

function workload(value: string): { kind: string; name: string } {
  const slash = value.indexOf("/");
  return { kind: slash < 0 ? "" : value.slice(0, slash), name: value.slice(slash + 1) };
}

function httpHeader(value: string): { key: string; value: string } {
  const colon = value.indexOf(":");
  if (colon <= 0) throw new Error("wanted name:value");
  return { key: value.slice(0, colon), value: value.slice(colon + 1) };
}

const flags = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR", "NS"] as const;

function tcpFlags(value: string): Partial<Record<(typeof flags)[number], boolean>> {
  const words = value.toUpperCase().split(",");
  for (const word of words) {
    if (!flags.some((flag) => flag === word))
      throw new Error(`wanted flags of ${flags.join(", ")}, with commas between them`);
  }
  return Object.fromEntries(words.map((word) => [word, true]));
}

function eventType(value: string): { type: number; matchSubType?: boolean; subType?: number } {
  const [name = "", sub] = value.split(":");
  const type = eventTypeNumbers[name] ?? wholeNumber(name);
  if (sub === undefined) return { type };
  const point = observationPoints.findIndex((candidate) => candidate === sub);
  const subType = type === eventTypeNumbers["trace"] && point >= 0 ? point : wholeNumber(sub);
  return { type, matchSubType: true, subType };
}

function wholeNumber(value: string): number {
  if (!/^\d{1,9}$/.test(value)) throw new Error(`${JSON.stringify(value)} is not one`);
  return Number(value);
}
