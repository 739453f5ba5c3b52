// Any flow that the type allows, likely or not.
import type { Flow, FlowEndpoint, FlowPolicy, Layer4, Layer7 } from "../../model.ts";
import { flowUuid, newStoreId } from "../uuid.ts";

type Random = () => number;

/** Flows with few values in common and odd ones among them. */
export function anyFlow(random: Random, sequence: number, timeNs: bigint): Flow {
  const below = (limit: number) => Math.floor(random() * limit);
  const oneOf = <T>(...values: readonly T[]): T => values[below(values.length)] as T;
  const text = () =>
    oneOf("", "a", "web", "ü", "日本語", "\u{1f600}", "\ud83d", "\ude00", "\0\n", `t${below(50)}`);
  const texts = () => Array.from({ length: below(3) }, text);
  const big = () => oneOf(0n, 1n, BigInt(below(1e9)), 2n ** 53n, 2n ** 64n - 1n, 4711n);
  const port = () => oneOf(0, 53, 80, below(65_536), 65_535);
  return {
    sequence,
    timeNs,
    uuid: oneOf(
      "",
      "no uuid",
      flowUuid(theStore, sequence),
      flowUuid(theStore, sequence + 1),
      flowUuid(newStoreId(), sequence),
    ),
    verdict: below(8),
    dropReason: oneOf(0, 133, 181, 2 ** 31 - 1),
    ethernet: oneOf(undefined, { source: text(), destination: text() }),
    ip: oneOf(undefined, {
      source: oneOf("10.0.0.1", "fd00::1", text()),
      sourceXlated: text(),
      destination: oneOf("10.0.0.2", "fd00::2", text()),
      version: oneOf(1, 2),
      encrypted: random() < 0.5,
    }),
    l4: anyLayer4(random, port),
    source: anyEndpoint(random, text, texts),
    destination: anyEndpoint(random, text, texts),
    type: below(4),
    nodeName: text(),
    nodeLabels: texts(),
    sourceNames: texts(),
    destinationNames: texts(),
    l7: random() < 0.8 ? undefined : anyLayer7(random, text, texts),
    isReply: oneOf(undefined, true, false),
    eventType: { type: oneOf(1, 4, 5, 8, 129, 255), subType: below(300) },
    sourceService: oneOf(undefined, { name: text(), namespace: text() }),
    destinationService: oneOf(undefined, { name: text(), namespace: text() }),
    direction: below(3),
    policyMatchType: below(7),
    observationPoint: below(15) - 1,
    traceReason: below(5),
    interface: oneOf(undefined, { index: below(1000), name: text() }),
    proxyPort: port(),
    socketPoint: below(5),
    socketCookie: big(),
    cgroupId: big(),
    summary: text(),
    egressAllowedBy: anyPolicies(random, text, texts),
    ingressAllowedBy: anyPolicies(random, text, texts),
    egressDeniedBy: anyPolicies(random, text, texts),
    ingressDeniedBy: anyPolicies(random, text, texts),
    policyLog: texts(),
  };
}

const theStore = newStoreId();

function anyEndpoint(random: Random, text: () => string, texts: () => string[]): FlowEndpoint {
  return {
    id: Math.floor(random() * 3),
    identity: Math.floor(random() * 2 ** 32),
    clusterName: text(),
    namespace: text(),
    labels: texts(),
    podName: text(),
    workloads: random() < 0.5 ? [] : [{ name: text(), kind: text() }],
  };
}

function anyPolicies(random: Random, text: () => string, texts: () => string[]): FlowPolicy[] {
  if (random() < 0.7) return [];
  const revision = Math.floor(random() * 3);
  return [{ name: text(), namespace: text(), labels: texts(), revision, kind: text() }];
}

function anyLayer4(random: Random, port: () => number): Layer4 | undefined {
  const kind = (["tcp", "udp", "sctp", "icmp4", "icmp6", undefined] as const)[
    Math.floor(random() * 6)
  ];
  const ports = { sourcePort: port(), destinationPort: port() };
  const flag = () => random() < 0.5;
  switch (kind) {
    case undefined:
      return undefined;
    case "tcp":
      return {
        kind,
        ...ports,
        flags:
          random() < 0.3
            ? undefined
            : {
                fin: flag(),
                syn: flag(),
                rst: flag(),
                psh: flag(),
                ack: flag(),
                urg: flag(),
                ece: flag(),
                cwr: flag(),
                ns: flag(),
              },
      };
    case "udp":
    case "sctp":
      return { kind, ...ports };
    case "icmp4":
    case "icmp6":
      return { kind, type: Math.floor(random() * 256), code: Math.floor(random() * 256) };
  }
}

function anyLayer7(random: Random, text: () => string, texts: () => string[]): Layer7 {
  const common = { type: Math.floor(random() * 4) as 0 | 1 | 2 | 3, latencyNs: random() * 1e9 };
  const kind = (["dns", "http", "kafka"] as const)[Math.floor(random() * 3)] ?? "dns";
  switch (kind) {
    case "dns":
      return {
        ...common,
        kind,
        query: text(),
        ips: texts(),
        ttl: 5,
        cnames: texts(),
        observationSource: text(),
        rcode: 0,
        qtypes: texts(),
        rrtypes: texts(),
      };
    case "http":
      return {
        ...common,
        kind,
        code: 200,
        method: text(),
        url: text(),
        protocol: text(),
        headers: texts().map((key) => ({ key, value: text() })),
      };
    case "kafka":
      return {
        ...common,
        kind,
        errorCode: 0,
        apiVersion: 3,
        apiKey: text(),
        correlationId: 9,
        topic: text(),
      };
  }
}
