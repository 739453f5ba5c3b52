// Random filters of the world in flows.ts.
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { Random } from "@tsilium/testkit";
import { type FlowFilter, FlowFilterSchema } from "../../gen/flow/flow_pb.ts";
import { some, world } from "./flows.ts";

type Init = MessageInitShape<typeof FlowFilterSchema>;

const addresses = [
  "10.0.0.1",
  "10.0.0.0/24",
  "10.0.0.0/8",
  "fd00::1",
  "fd00::/16",
  "0.0.0.0/0",
  "::/0",
];
const names = ["web", "web-1", "default/w", "prod/", "/xwing", "/c", "kube-system/coredns"];
const fqdns = ["cilium.io", "*.cilium.io", "*", "ebpf.*", "a_b*"];
const selectors = [
  "app",
  "app=web",
  "k8s:app in (web, api)",
  "!app",
  "app notin (web)",
  "reserved:host",
  "any:tier>0",
  "cidr:10.0.0.0/8",
  "",
];
const patterns = ["cilium", "^/", "io$", "api.*x", "a b", "."];
const expressions = [
  "_flow.verdict == Verdict.DROPPED",
  "has(_flow.l4.TCP) && _flow.l4.TCP.destination_port == 80u",
  "_flow.source.labels.exists(l, l == 'k8s:app=web')",
];

/** Draws the value of one field. */
const draw: Readonly<Record<string, (random: Random) => Init>> = {
  sourceIp: (random) => ({ sourceIp: atLeastOne(random, addresses) }),
  destinationIp: (random) => ({ destinationIp: atLeastOne(random, addresses) }),
  sourceIpXlated: (random) => ({ sourceIpXlated: atLeastOne(random, addresses) }),
  sourcePod: (random) => ({ sourcePod: atLeastOne(random, names) }),
  destinationPod: (random) => ({ destinationPod: atLeastOne(random, names) }),
  sourceService: (random) => ({ sourceService: atLeastOne(random, names) }),
  destinationService: (random) => ({ destinationService: atLeastOne(random, names) }),
  sourceFqdn: (random) => ({ sourceFqdn: atLeastOne(random, fqdns) }),
  destinationFqdn: (random) => ({ destinationFqdn: atLeastOne(random, fqdns) }),
  sourceLabel: (random) => ({ sourceLabel: atLeastOne(random, selectors) }),
  destinationLabel: (random) => ({ destinationLabel: atLeastOne(random, selectors) }),
  sourceWorkload: (random) => ({ sourceWorkload: [workload(random)] }),
  destinationWorkload: (random) => ({ destinationWorkload: [workload(random), workload(random)] }),
  sourceClusterName: (random) => ({ sourceClusterName: atLeastOne(random, ["default", "east"]) }),
  destinationClusterName: (random) => ({
    destinationClusterName: atLeastOne(random, ["default", "east"]),
  }),
  sourceIdentity: (random) => ({ sourceIdentity: atLeastOne(random, [0, 1, 2, 3]) }),
  destinationIdentity: (random) => ({ destinationIdentity: atLeastOne(random, [0, 1, 2, 3]) }),
  verdict: (random) => ({ verdict: atLeastOne(random, [0, 1, 2, 3, 4, 5, 6, 7] as const) }),
  dropReasonDesc: (random) => ({ dropReasonDesc: atLeastOne(random, [133, 181, 140] as const) }),
  eventType: (random) => ({
    eventType: atLeastOne(random, [0, 1, 4, 5, 8, 129]).map((type) => ({
      type,
      matchSubType: random.chance(0.3),
      subType: random.below(3),
    })),
  }),
  trafficDirection: (random) => ({ trafficDirection: atLeastOne(random, [0, 1, 2] as const) }),
  reply: (random) => ({ reply: atLeastOne(random, [true, false]) }),
  encrypted: (random) => ({ encrypted: atLeastOne(random, [true, false]) }),
  ipVersion: (random) => ({ ipVersion: atLeastOne(random, [0, 1, 2] as const) }),
  uuid: (random) => ({ uuid: atLeastOne(random, ["a", "b"]) }),
  interface: (random) => ({
    interface: [{ index: random.below(3), name: random.pick(["", "eth0", "eth1"]) }],
  }),
  traceId: (random) => ({ traceId: atLeastOne(random, ["", "x"]) }),
  ipTraceId: () => ({ ipTraceId: [1n] }),
  protocol: (random) => ({
    protocol: atLeastOne(random, [
      "tcp",
      "UDP",
      "icmp",
      "icmpv4",
      "icmpv6",
      "sctp",
      "dns",
      "http",
      "kafka",
    ]),
  }),
  sourcePort: (random) => ({ sourcePort: atLeastOne(random, world.ports.map(String)) }),
  destinationPort: (random) => ({ destinationPort: atLeastOne(random, world.ports.map(String)) }),
  tcpFlags: (random) => ({
    tcpFlags: [{ SYN: random.chance(0.5), ACK: random.chance(0.3), RST: random.chance(0.1) }],
  }),
  nodeName: (random) => ({
    nodeName: atLeastOne(random, ["node-1", "node-*", "east/", "default/*2", "*/*.example"]),
  }),
  nodeLabels: (random) => ({
    nodeLabels: atLeastOne(random, ["zone=a", "!zone", "kubernetes.io/arch"]),
  }),
  dnsQuery: (random) => ({ dnsQuery: atLeastOne(random, patterns) }),
  httpStatusCode: (random) => ({ httpStatusCode: atLeastOne(random, ["200", "4+", "50+"]) }),
  httpMethod: (random) => ({ httpMethod: atLeastOne(random, ["get", "POST"]) }),
  httpPath: (random) => ({ httpPath: atLeastOne(random, patterns) }),
  httpUrl: (random) => ({ httpUrl: atLeastOne(random, patterns) }),
  httpHeader: (random) => ({ httpHeader: [{ key: "a", value: random.pick(["1", "2"]) }] }),
  experimental: (random) => ({ experimental: { celExpression: atLeastOne(random, expressions) } }),
};

function atLeastOne<T>(random: Random, choices: readonly T[]): T[] {
  const chosen = some(random, choices, 3);
  return chosen.length === 0 ? [random.pick(choices)] : chosen;
}

function workload(random: Random) {
  return { name: random.pick(["", "web", "api"]), kind: random.pick(["", ...world.kinds]) };
}

/** The fields that can be drawn, as protobuf-es calls them. */
export const drawnFields: readonly string[] = Object.keys(draw);

/** A filter with none to three fields. Contradictions that are refused (HTTP with other events) are not drawn. */
export function randomFilter(random: Random): FlowFilter {
  const count = random.pick([0, 1, 1, 1, 2, 2, 3]);
  const init: Init = {};
  for (let index = 0; index < count; index++)
    Object.assign(init, draw[random.pick(drawnFields)]?.(random));
  if (Object.keys(init).some((name) => name.startsWith("http"))) delete init.eventType;
  return create(FlowFilterSchema, init);
}
