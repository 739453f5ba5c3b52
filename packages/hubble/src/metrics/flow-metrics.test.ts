import assert from "node:assert/strict";
import { test } from "node:test";
import { Registry } from "prom-client";
import {
  emptyFlow,
  EventType,
  type Flow,
  type FlowEndpoint,
  FlowType,
  LostEventSource,
  ObservationPoint,
  TrafficDirection,
  unknownEndpoint,
  Verdict,
} from "../model.ts";
import { createFlowMetrics, type FlowMetricsOptions } from "./flow-metrics.ts";

const web: FlowEndpoint = {
  id: 7,
  identity: 4711,
  clusterName: "default",
  namespace: "shop",
  labels: ["k8s:app=web", "k8s:io.kubernetes.pod.namespace=shop"],
  podName: "web-5d8f-abcde",
  workloads: [{ name: "web", kind: "Deployment" }],
};
const db: FlowEndpoint = {
  ...web,
  id: 8,
  identity: 4712,
  namespace: "data",
  labels: ["k8s:app.kubernetes.io/name=postgres"],
  podName: "db-0",
  workloads: [{ name: "db", kind: "StatefulSet" }],
};
const world: FlowEndpoint = { ...unknownEndpoint, identity: 2, labels: ["reserved:world"] };
const apiserver: FlowEndpoint = {
  ...unknownEndpoint,
  identity: 7,
  labels: ["reserved:host", "reserved:kube-apiserver"],
};

const noFlags = {
  fin: false,
  syn: false,
  rst: false,
  psh: false,
  ack: false,
  urg: false,
  ece: false,
  cwr: false,
  ns: false,
};
const syn = {
  kind: "tcp",
  sourcePort: 40000,
  destinationPort: 5432,
  flags: { ...noFlags, syn: true },
} as const;

const trace: Flow = {
  ...emptyFlow,
  timeNs: 1_700_000_000_500_000_000n,
  verdict: Verdict.forwarded,
  ip: {
    source: "10.0.0.1",
    sourceXlated: "",
    destination: "10.0.0.2",
    version: 1,
    encrypted: false,
  },
  l4: syn,
  source: web,
  destination: db,
  type: FlowType.l3l4,
  isReply: false,
  eventType: { type: EventType.trace, subType: ObservationPoint.toLxc },
  direction: TrafficDirection.ingress,
};
const drop: Flow = {
  ...trace,
  verdict: Verdict.dropped,
  dropReason: 133,
  isReply: undefined,
  eventType: { type: EventType.drop, subType: 133 },
  direction: TrafficDirection.egress,
};
const verdict: Flow = {
  ...trace,
  eventType: { type: EventType.policyVerdict, subType: 2 },
  policyMatchType: 2,
};
const l7: Flow = {
  ...trace,
  type: FlowType.l7,
  eventType: { type: EventType.l7, subType: 0 },
  direction: TrafficDirection.egress,
};
const dnsRecord = {
  kind: "dns",
  type: 1,
  latencyNs: 0,
  query: "example.com.",
  ips: [],
  ttl: 0,
  cnames: [],
  observationSource: "proxy",
  rcode: 0,
  qtypes: ["A"],
  rrtypes: [],
} as const;
const dnsQuery: Flow = { ...l7, l7: dnsRecord };
const dnsAnswer: Flow = {
  ...l7,
  isReply: true,
  source: db,
  destination: web,
  l7: { ...dnsRecord, type: 2, ips: ["192.0.2.1", "192.0.2.2"], rrtypes: ["A", "CNAME"] },
};
const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const httpRecord = {
  kind: "http",
  type: 1,
  latencyNs: 0,
  code: 0,
  method: "GET",
  url: "http://db/x",
  protocol: "HTTP/1.1",
  headers: [{ key: "Traceparent", value: traceparent }],
} as const;
const httpRequest: Flow = { ...l7, l7: httpRecord };
const httpAnswer: Flow = {
  ...l7,
  isReply: true,
  source: db,
  destination: web,
  l7: { ...httpRecord, type: 2, code: 200, latencyNs: 30_000_000 },
};
const kafkaRequest: Flow = {
  ...l7,
  l7: {
    kind: "kafka",
    type: 1,
    latencyNs: 2_000_000_000,
    errorCode: 3,
    apiVersion: 1,
    apiKey: "produce",
    correlationId: 1,
    topic: "orders",
  },
};
const ping = (kind: "icmp4" | "icmp6", type: number, code: number): Flow => ({
  ...trace,
  l4: { kind, type, code },
});

/** The lines of metrics of flows, without comments. */
async function exposition(
  config: string | readonly string[],
  flows: readonly Flow[],
  options: FlowMetricsOptions = {},
): Promise<string[]> {
  const registry = new Registry();
  const metrics = createFlowMetrics(config, registry, options);
  for (const flow of flows) metrics.note(flow);
  return linesOf(registry);
}

async function linesOf(registry: Registry): Promise<string[]> {
  const text = await registry.metrics();
  return text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
}

const rows: readonly (readonly [string, readonly Flow[], readonly string[]])[] = [
  ["drop", [trace], []],
  ["drop", [drop, drop], ['hubble_drop_total{reason="POLICY_DENIED",protocol="TCP"} 2']],
  [
    "drop",
    [{ ...drop, dropReason: 158, l4: { kind: "udp", sourcePort: 1, destinationPort: 2 } }],
    ['hubble_drop_total{reason="SERVICE_BACKEND_NOT_FOUND",protocol="UDP"} 1'],
  ],
  [
    "drop",
    [{ ...drop, l4: undefined }],
    ['hubble_drop_total{reason="POLICY_DENIED",protocol="Unknown L4"} 1'],
  ],
  [
    "flow",
    [trace],
    [
      'hubble_flows_processed_total{protocol="TCP",type="Trace",subtype="to-endpoint",verdict="FORWARDED"} 1',
    ],
  ],
  [
    "flow",
    [drop],
    [
      'hubble_flows_processed_total{protocol="TCP",type="Drop",subtype="",verdict="DROPPED"} 1',
      'hubble_flows_processed_total{protocol="TCP",type="PolicyVerdict",subtype="",verdict="DROPPED"} 1',
    ],
  ],
  [
    "flow",
    [{ ...trace, eventType: { type: EventType.traceSock, subType: 1 }, verdict: Verdict.traced }],
    [
      'hubble_flows_processed_total{protocol="Unknown flow",type="Unknown",subtype="8",verdict="TRACED"} 1',
    ],
  ],
  [
    "flow",
    [dnsQuery, httpRequest, kafkaRequest],
    [
      'hubble_flows_processed_total{protocol="DNS",type="L7",subtype="DNS",verdict="FORWARDED"} 1',
      'hubble_flows_processed_total{protocol="HTTP",type="L7",subtype="HTTP",verdict="FORWARDED"} 1',
      'hubble_flows_processed_total{protocol="Kafka",type="L7",subtype="",verdict="FORWARDED"} 1',
    ],
  ],
  [
    "policy",
    [
      verdict,
      drop,
      { ...drop, dropReason: 181, policyMatchType: 1 },
      { ...drop, dropReason: 158 },
      trace,
    ],
    [
      'hubble_policy_verdicts_total{direction="ingress",match="l3-l4",action="forwarded"} 1',
      'hubble_policy_verdicts_total{direction="egress",match="none",action="dropped"} 1',
      'hubble_policy_verdicts_total{direction="egress",match="l3-only",action="dropped"} 1',
    ],
  ],
  ["policy", [{ ...verdict, source: { ...unknownEndpoint, identity: 1 } }], []],
  ["policy", [{ ...verdict, destination: { ...unknownEndpoint, identity: 4 } }], []],
  [
    "policy",
    [
      { ...verdict, verdict: Verdict.audit, policyMatchType: 0 },
      httpRequest,
      httpAnswer,
      { ...dnsQuery, verdict: Verdict.dropped },
    ],
    [
      'hubble_policy_verdicts_total{direction="ingress",match="none",action="audit"} 1',
      'hubble_policy_verdicts_total{direction="egress",match="l7/http",action="forwarded"} 1',
      'hubble_policy_verdicts_total{direction="egress",match="l7/dns",action="dropped"} 1',
    ],
  ],
  [
    "flows-to-world",
    [
      { ...trace, destination: world },
      { ...trace, destination: world, isReply: true },
      { ...drop, destination: world },
      { ...drop, destination: world, dropReason: 181 },
      trace,
    ],
    [
      'hubble_flows_to_world_total{protocol="TCP",verdict="FORWARDED"} 1',
      'hubble_flows_to_world_total{protocol="TCP",verdict="DROPPED"} 1',
    ],
  ],
  [
    "flows-to-world:any-drop;port;syn-only",
    [
      { ...drop, destination: world, dropReason: 181 },
      { ...trace, destination: world, l4: { ...syn, flags: noFlags } },
      { ...trace, destination: world, l4: { kind: "udp", sourcePort: 1, destinationPort: 53 } },
    ],
    ['hubble_flows_to_world_total{protocol="TCP",verdict="DROPPED",port="5432"} 1'],
  ],
  [
    "port-distribution",
    [
      trace,
      { ...trace, isReply: true },
      { ...trace, isReply: undefined },
      drop,
      ping("icmp4", 8, 0),
      {
        ...trace,
        verdict: Verdict.redirected,
        l4: { kind: "sctp", sourcePort: 1, destinationPort: 9 },
      },
    ],
    [
      'hubble_port_distribution_total{protocol="TCP",port="5432"} 1',
      'hubble_port_distribution_total{protocol="ICMPv4",port="0"} 1',
      'hubble_port_distribution_total{protocol="SCTP",port="9"} 1',
    ],
  ],
  [
    "tcp",
    [
      trace,
      { ...trace, l4: { ...syn, flags: { ...noFlags, syn: true, ack: true } } },
      { ...trace, l4: { ...syn, flags: { ...noFlags, fin: true, rst: true, ack: true } } },
      { ...trace, l4: { ...syn, flags: { ...noFlags, ack: true } } },
      { ...trace, l4: { ...syn, flags: undefined } },
      drop,
    ],
    [
      'hubble_tcp_flags_total{flag="SYN",family="IPv4"} 1',
      'hubble_tcp_flags_total{flag="SYN-ACK",family="IPv4"} 1',
      'hubble_tcp_flags_total{flag="FIN",family="IPv4"} 1',
      'hubble_tcp_flags_total{flag="RST",family="IPv4"} 1',
    ],
  ],
  [
    "icmp",
    [
      ping("icmp4", 8, 0),
      ping("icmp4", 3, 3),
      ping("icmp4", 11, 7),
      ping("icmp4", 99, 1),
      ping("icmp6", 135, 0),
      ping("icmp6", 1, 4),
    ],
    [
      'hubble_icmp_total{family="IPv4",type="EchoRequest"} 1',
      'hubble_icmp_total{family="IPv4",type="DestinationUnreachable(Port)"} 1',
      'hubble_icmp_total{family="IPv4",type="TimeExceeded(Code: 7)"} 1',
      'hubble_icmp_total{family="IPv4",type="99(1)"} 1',
      'hubble_icmp_total{family="IPv6",type="NeighborSolicitation"} 1',
      'hubble_icmp_total{family="IPv6",type="DestinationUnreachable(PortUnreachable)"} 1',
    ],
  ],
  [
    "dns",
    [dnsQuery, dnsAnswer, { ...dnsQuery, verdict: Verdict.dropped }],
    [
      'hubble_dns_queries_total{rcode="",qtypes="A",ips_returned="0"} 1',
      'hubble_dns_queries_total{rcode="Policy denied",qtypes="A",ips_returned="0"} 1',
      'hubble_dns_responses_total{rcode="No Error",qtypes="A",ips_returned="2"} 1',
      'hubble_dns_response_types_total{type="A",qtypes="A"} 1',
      'hubble_dns_response_types_total{type="CNAME",qtypes="A"} 1',
    ],
  ],
  [
    "dns:query;ignoreAAAA",
    [
      { ...dnsQuery, l7: { ...dnsRecord, qtypes: ["AAAA"] } },
      { ...dnsAnswer, l7: { ...dnsRecord, type: 2, rcode: 3, rrtypes: ["SOA"] } },
    ],
    [
      'hubble_dns_responses_total{rcode="Non-Existent Domain",qtypes="A",ips_returned="0",query="example.com."} 1',
      'hubble_dns_response_types_total{type="SOA",qtypes="A",query="example.com."} 1',
    ],
  ],
  [
    "http:sourceContext=workload-name;destinationContext=workload",
    [httpRequest, httpAnswer],
    [
      'hubble_http_requests_total{source="web",destination="data/db",method="GET",protocol="HTTP/1.1",reporter="client"} 1',
      'hubble_http_responses_total{source="db",destination="shop/web",method="GET",status="200",reporter="client"} 1',
      ...histogram(
        "http_request_duration_seconds",
        'source="db",destination="shop/web",method="GET",reporter="client"',
        0.03,
      ),
    ],
  ],
  [
    "httpV2:sourceContext=workload-name;destinationContext=workload",
    [httpRequest, httpAnswer],
    [
      'hubble_http_requests_total{source="web",destination="data/db",method="GET",protocol="HTTP/1.1",status="200",reporter="client"} 1',
      ...histogram(
        "http_request_duration_seconds",
        'source="web",destination="data/db",method="GET",reporter="client"',
        0.03,
      ),
    ],
  ],
  [
    "kafka",
    [kafkaRequest],
    [
      'hubble_kafka_requests_total{topic="orders",api_key="produce",error_code="3",reporter="client"} 1',
      ...histogram(
        "kafka_request_duration_seconds",
        'topic="orders",api_key="produce",reporter="client"',
        2,
      ),
    ],
  ],
  // Contexts.
  [
    "drop:sourceContext=pod;destinationContext=identity",
    [drop],
    [
      'hubble_drop_total{source="shop/web-5d8f-abcde",destination="k8s:app.kubernetes.io/name=postgres",reason="POLICY_DENIED",protocol="TCP"} 1',
    ],
  ],
  [
    "drop:destinationContext=dns|pod|ip",
    [
      drop,
      { ...drop, destination: world },
      { ...drop, destination: world, destinationNames: ["a.test", "b.test"] },
    ],
    [
      'hubble_drop_total{destination="data/db-0",reason="POLICY_DENIED",protocol="TCP"} 1',
      'hubble_drop_total{destination="10.0.0.2",reason="POLICY_DENIED",protocol="TCP"} 1',
      'hubble_drop_total{destination="a.test,b.test",reason="POLICY_DENIED",protocol="TCP"} 1',
    ],
  ],
  [
    "drop:destinationContext=reserved-identity;sourceContext=app",
    [{ ...drop, destination: apiserver }, { ...drop, source: db, destination: world }, drop],
    [
      'hubble_drop_total{source="web",destination="reserved:kube-apiserver",reason="POLICY_DENIED",protocol="TCP"} 1',
      'hubble_drop_total{source="postgres",destination="reserved:world",reason="POLICY_DENIED",protocol="TCP"} 1',
      'hubble_drop_total{source="web",destination="",reason="POLICY_DENIED",protocol="TCP"} 1',
    ],
  ],
  [
    "drop:sourceEgressContext=pod-name;sourceContext=namespace;destinationIngressContext=pod-name",
    [
      drop,
      { ...drop, direction: TrafficDirection.ingress },
      { ...drop, direction: TrafficDirection.unknown },
    ],
    [
      'hubble_drop_total{source="web-5d8f-abcde",destination="",reason="POLICY_DENIED",protocol="TCP"} 1',
      'hubble_drop_total{source="shop",destination="db-0",reason="POLICY_DENIED",protocol="TCP"} 1',
      'hubble_drop_total{source="shop",destination="",reason="POLICY_DENIED",protocol="TCP"} 1',
    ],
  ],
  [
    "drop:labelsContext=traffic_direction,destination_workload_kind,destination_app,source_ip,source_workload,source_namespace,source_pod",
    [drop],
    [
      'hubble_drop_total{source_ip="10.0.0.1",source_pod="web-5d8f-abcde",source_namespace="shop",source_workload="web",destination_workload_kind="StatefulSet",destination_app="postgres",traffic_direction="egress",reason="POLICY_DENIED",protocol="TCP"} 1',
    ],
  ],
  // Spellings of a list: spaces, commas, escaped commas, commas of a list of labels.
  [
    "drop:labelsContext=source_pod\\,source_ip;sourceContext=ip,tcp icmp",
    [drop, trace],
    [
      'hubble_drop_total{source_ip="10.0.0.1",source_pod="web-5d8f-abcde",source="10.0.0.1",reason="POLICY_DENIED",protocol="TCP"} 1',
      'hubble_tcp_flags_total{flag="SYN",family="IPv4"} 1',
    ],
  ],
  [
    "tcp,drop:labelsContext=source_pod,source_ip;sourceContext=ip",
    [drop],
    [
      'hubble_drop_total{source_ip="10.0.0.1",source_pod="web-5d8f-abcde",source="10.0.0.1",reason="POLICY_DENIED",protocol="TCP"} 1',
    ],
  ],
];

function histogram(name: string, labels: string, seconds: number): string[] {
  const bounds = [
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1,
    2.5,
    5,
    10,
    Number.POSITIVE_INFINITY,
  ];
  return [
    ...bounds.map((le) => {
      const text = le === Number.POSITIVE_INFINITY ? "+Inf" : String(le);
      return `hubble_${name}_bucket{le="${text}",${labels}} ${seconds <= le ? 1 : 0}`;
    }),
    `hubble_${name}_sum{${labels}} ${seconds}`,
    `hubble_${name}_count{${labels}} 1`,
  ];
}

for (const [config, flows, expected] of rows)
  test(`${config}: ${flows.length} flows`, async () => {
    assert.deepEqual(await exposition(config, flows), expected);
  });

test("words that were split at commas by who read the configuration are put together again", async () => {
  const words = "drop:labelsContext=source_pod,source_ip tcp".split(/[\s,]+/);
  const expected =
    'hubble_drop_total{source_ip="10.0.0.1",source_pod="web-5d8f-abcde",reason="POLICY_DENIED",protocol="TCP"} 1';
  assert.deepEqual(await exposition(words, [drop]), [expected]);
});

for (const [config, message] of [
  ["drops", /"drops" is no metric: wanted dns, drop, flow/],
  ["drop:query", /drop: "query" is no option/],
  ["drop:sourceContext=pods", /drop: "pods" is no context: wanted identity, namespace, pod/],
  ["drop:sourceContext=constructor", /"constructor" is no context/],
  ["drop:labelsContext=pod", /labelsContext: "pod" is no label/],
  ["http httpV2", /http and httpV2 exclude each other/],
  ["drop drop:sourceContext=pod", /drop is there twice/],
  ["constructor", /"constructor" is no metric/],
] as const)
  test(`${config} is refused`, () => {
    assert.throws(() => createFlowMetrics(config, new Registry()), message);
  });

test("losses are counted by who lost them, even where no other metric is", async () => {
  const registry = new Registry();
  const metrics = createFlowMetrics("", registry);
  for (const source of Object.values(LostEventSource)) metrics.noteLost({ source, count: 2 });
  metrics.noteLost({ source: LostEventSource.perfEventRingBuffer, count: 3 });
  assert.deepEqual(await linesOf(registry), [
    'hubble_lost_events_total{source="unknown"} 2',
    'hubble_lost_events_total{source="perf_event_ring_buffer"} 5',
    'hubble_lost_events_total{source="observer_events_queue"} 2',
    'hubble_lost_events_total{source="hubble_ring_buffer"} 2',
  ]);
});

test("a metric has no more series than it may, and says what it did not count", async () => {
  const flows = [1, 2, 3, 3, 1].map((port) => ({
    ...trace,
    l4: { kind: "udp", sourcePort: 9, destinationPort: port } as const,
  }));
  assert.deepEqual(await exposition("port-distribution", flows, { seriesLimit: 2 }), [
    'hubble_metrics_not_counted_total{metric="hubble_port_distribution_total"} 2',
    'hubble_port_distribution_total{protocol="UDP",port="1"} 2',
    'hubble_port_distribution_total{protocol="UDP",port="2"} 1',
  ]);
});

test("a pod's series go a minute after the pod, and stay if it is back by then", async () => {
  let nowMs = 0;
  const registry = new Registry();
  const config =
    "drop:sourceContext=pod|ip flow:labelsContext=destination_pod,destination_namespace tcp:sourceContext=namespace";
  const metrics = createFlowMetrics(config, registry, { now: () => nowMs });
  metrics.note(drop);
  metrics.note({ ...drop, source: db, destination: web });
  metrics.note(trace);
  const count = async () => (await linesOf(registry)).length;
  assert.equal(await count(), 2 + 5 + 1);
  metrics.podGone("shop", "web-5d8f-abcde");
  metrics.podGone("data", "db-0");
  metrics.podPresent("data", "db-0");
  nowMs = 59_999;
  assert.equal(await count(), 8);
  nowMs = 60_000;
  const lines = await linesOf(registry);
  assert.ok(!lines.some((line) => line.includes("web-5d8f-abcde")), lines.join("\n"));
  assert.equal(lines.length, 1 + 3 + 1);
  metrics.note(drop);
  assert.equal(await count(), 6);
});

test("counting a flow costs little", () => {
  const config =
    "dns drop:sourceContext=pod;destinationContext=pod|dns|ip flow:sourceContext=workload;destinationContext=workload tcp icmp policy port-distribution flows-to-world httpV2";
  const metrics = createFlowMetrics(config, new Registry());
  const endpoints = Array.from({ length: 100 }, (_, i) => ({
    ...web,
    podName: `web-${i}`,
    workloads: [{ name: `w${i}`, kind: "Deployment" }],
  }));
  const flows = Array.from({ length: 1000 }, (_, i) => ({
    ...(i % 10 === 0 ? drop : trace),
    source: endpoints[i % 100] as FlowEndpoint,
    destination: endpoints[(i * 7) % 100] as FlowEndpoint,
  }));
  const round = () => {
    const begin = process.hrtime.bigint();
    for (let i = 0; i < 50; i++) for (const flow of flows) metrics.note(flow);
    return Number(process.hrtime.bigint() - begin) / 50 / flows.length;
  };
  const best = Math.min(...Array.from({ length: 6 }, round));
  // Two microseconds are the aim; machines that run tests are busy.
  assert.ok(best < 6000, `${best} ns a flow`);
  if (process.env["TSILIUM_BENCH"]) console.log(`${best.toFixed(0)} ns a flow`);
});
