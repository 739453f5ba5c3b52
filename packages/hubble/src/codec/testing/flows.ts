// Flows for tests: any that the model allows, and one as a busy node sees it.
import type { Random } from "@tsilium/testkit";
import {
  type Flow,
  type FlowEndpoint,
  type FlowIp,
  type FlowPolicy,
  type Layer4,
  type Layer7,
  type TcpFlags,
  emptyFlow,
  unknownEndpoint,
} from "../../model.ts";

/** Every field, with its corners: zero, the largest, text of several scripts, long text. */
export function randomFlow(random: Random): Flow {
  const some = <T>(make: () => T): T | undefined => (random.chance(0.5) ? make() : undefined);
  const texts = () => list(random, () => text(random));
  const service = () => ({ name: text(random), namespace: text(random) });
  const policies = () => list(random, () => randomPolicy(random));
  return {
    sequence: 0,
    timeNs: randomTime(random),
    uuid: text(random),
    verdict: enumeration(random, 8),
    dropReason: random.chance(0.5) ? 0 : 130 + random.below(80),
    ethernet: some(() => ({ source: text(random), destination: text(random) })),
    ip: some(() => randomIp(random)),
    l4: some(() => randomLayer4(random)),
    source: randomEndpoint(random),
    destination: randomEndpoint(random),
    type: enumeration(random, 4),
    nodeName: text(random),
    nodeLabels: texts(),
    sourceNames: texts(),
    destinationNames: texts(),
    l7: some(() => randomLayer7(random)),
    isReply: some(() => random.chance(0.5)),
    eventType: { type: signed(random), subType: signed(random) },
    sourceService: some(service),
    destinationService: some(service),
    direction: enumeration(random, 3),
    policyMatchType: uint32(random),
    observationPoint: random.pick([-1, 0, 1, 5, 13, 77]),
    traceReason: enumeration(random, 9),
    interface: some(() => ({ index: uint32(random), name: text(random) })),
    proxyPort: uint32(random),
    socketPoint: enumeration(random, 5),
    socketCookie: uint64(random),
    cgroupId: uint64(random),
    summary: text(random),
    egressAllowedBy: policies(),
    ingressAllowedBy: policies(),
    egressDeniedBy: policies(),
    ingressDeniedBy: policies(),
    policyLog: texts(),
  };
}

function randomEndpoint(random: Random): FlowEndpoint {
  if (random.chance(0.2)) return unknownEndpoint;
  return {
    id: uint32(random),
    // Never empty: an endpoint of which nothing is known is not on the wire.
    identity: 1 + random.below(2 ** 24),
    clusterName: text(random),
    namespace: text(random),
    labels: list(random, () => text(random)),
    podName: text(random),
    workloads: list(random, () => ({ name: text(random), kind: text(random) })),
  };
}

function randomPolicy(random: Random): FlowPolicy {
  return {
    name: text(random),
    namespace: text(random),
    labels: list(random, () => text(random)),
    revision: safeNumber(random),
    kind: text(random),
  };
}

function randomIp(random: Random): FlowIp {
  return {
    source: text(random),
    sourceXlated: text(random),
    destination: text(random),
    version: random.pick([1, 2] as const),
    encrypted: random.chance(0.5),
  };
}

function randomLayer4(random: Random): Layer4 {
  const ports = { sourcePort: random.below(65_536), destinationPort: random.below(65_536) };
  const flag = () => random.chance(0.5);
  const flags = (): TcpFlags => ({
    fin: flag(),
    syn: flag(),
    rst: flag(),
    psh: flag(),
    ack: flag(),
    urg: flag(),
    ece: flag(),
    cwr: flag(),
    ns: flag(),
  });
  const kind = random.pick(["tcp", "udp", "sctp", "icmp4", "icmp6"] as const);
  switch (kind) {
    case "tcp":
      return { kind, ...ports, flags: random.chance(0.8) ? flags() : undefined };
    case "udp":
    case "sctp":
      return { kind, ...ports };
    case "icmp4":
    case "icmp6":
      return { kind, type: random.below(256), code: random.below(256) };
  }
}

function randomLayer7(random: Random): Layer7 {
  const common = { type: random.pick([0, 1, 2, 3] as const), latencyNs: safeNumber(random) };
  const texts = () => list(random, () => text(random));
  const kind = random.pick(["dns", "http", "kafka"] as const);
  switch (kind) {
    case "dns": {
      const names = { query: text(random), observationSource: text(random) };
      const lists = { ips: texts(), cnames: texts(), qtypes: texts(), rrtypes: texts() };
      return { ...common, kind, ...names, ...lists, ttl: uint32(random), rcode: uint32(random) };
    }
    case "http": {
      const headers = list(random, () => ({ key: text(random), value: text(random) }));
      const names = { method: text(random), url: text(random), protocol: text(random) };
      return { ...common, kind, code: uint32(random), ...names, headers };
    }
    case "kafka": {
      const numbers = { errorCode: signed(random), apiVersion: signed(random) };
      const names = { apiKey: text(random), topic: text(random) };
      return { ...common, kind, ...numbers, correlationId: signed(random), ...names };
    }
  }
}

const letters = ["a", "Z", "0", "-", "é", "ß", "中", "𝄞", "\u0000", "\ufeff", "\u007f", '"', "\\"];

function text(random: Random): string {
  if (random.chance(0.3)) return "";
  const length = random.chance(0.05) ? random.below(3000) : random.below(60);
  const plain = random.chance(0.7);
  let made = "";
  for (let index = 0; index < length; index++) {
    made += plain ? String.fromCharCode(97 + random.below(26)) : random.pick(letters);
  }
  return made;
}

const list = <T>(random: Random, make: () => T): T[] =>
  Array.from({ length: random.chance(0.5) ? 0 : random.below(4) }, make);

const uint32 = (random: Random): number =>
  random.pick([
    0,
    1,
    127,
    128,
    16_383,
    16_384,
    2 ** 21,
    2 ** 28,
    2 ** 32 - 1,
    random.below(2 ** 32),
  ]);

const signed = (random: Random): number =>
  random.pick([0, 1, 4, 129, -1, -(2 ** 31), 2 ** 31 - 1, random.below(200)]);

/** Also numbers that no enum has. */
const enumeration = (random: Random, values: number): number =>
  random.pick([0, random.below(values), random.below(values), 4711, -1]);

const safeNumber = (random: Random): number =>
  random.pick([0, 1, 2 ** 32, 2 ** 35 + 7, Number.MAX_SAFE_INTEGER, random.below(1e9)]);

const uint64 = (random: Random): bigint =>
  random.pick([
    0n,
    1n,
    2n ** 32n,
    2n ** 53n + 1n,
    2n ** 63n,
    2n ** 64n - 1n,
    BigInt(random.below(1e9)),
  ]);

/** From year 1 to 9999. */
const randomTime = (random: Random): bigint =>
  random.pick([
    0n,
    1n,
    -1n,
    1_780_000_000_000_000_000n + BigInt(random.below(2 ** 31)),
    -62_135_596_800_000_000_000n,
    253_402_300_799_999_999_999n,
    1_780_000_000_500_000_000n,
    1_780_000_000_000_001_000n,
  ]);

/** A connection's first packet between two pods, as it is seen most. */
export function typicalFlow(number: number): Flow {
  return {
    ...emptyFlow,
    timeNs: 1_780_000_000_123_456_789n + BigInt(number) * 10_000n,
    uuid: `5f1c9a52-7e11-4d0b-9c55-${String(number).padStart(12, "0")}`,
    verdict: 1,
    ethernet: { source: "aa:bb:cc:dd:ee:01", destination: "aa:bb:cc:dd:ee:ff" },
    ip: {
      source: `10.244.1.${number % 250}`,
      sourceXlated: "",
      destination: `10.244.2.${number % 200}`,
      version: 1,
      encrypted: false,
    },
    l4: {
      kind: "tcp",
      sourcePort: 30_000 + (number % 30_000),
      destinationPort: 5432,
      flags: syn,
    },
    source: pods[number % pods.length] as FlowEndpoint,
    destination: pods[(number + 1) % pods.length] as FlowEndpoint,
    type: 1,
    nodeName: "node-1",
    nodeLabels,
    isReply: false,
    eventType: { type: 4, subType: 0 },
    direction: 1,
    observationPoint: 0,
    traceReason: 1,
    interface: { index: 7, name: "lxc1234" },
    summary: "TCP Flags: SYN",
  };
}

const nodeLabels = ["kubernetes.io/arch=amd64", "kubernetes.io/os=linux"];
const syn: TcpFlags = {
  fin: false,
  syn: true,
  rst: false,
  psh: false,
  ack: false,
  urg: false,
  ece: false,
  cwr: false,
  ns: false,
};
const pods = Array.from({ length: 50 }, (_, number): FlowEndpoint => ({
  id: 100 + number,
  identity: 30_000 + number,
  clusterName: "default",
  namespace: "shop",
  labels: [
    `k8s:app=app-${number}`,
    "k8s:io.cilium.k8s.policy.cluster=default",
    "k8s:io.kubernetes.pod.namespace=shop",
  ],
  podName: `app-${number}-7d9f4b5c-x2x4z`,
  workloads: [{ name: `app-${number}`, kind: "Deployment" }],
}));
