import assert from "node:assert/strict";
import { test } from "node:test";
import {
  emptyFlow,
  EventType,
  type Flow,
  FlowType,
  rulePathLabel,
  TrafficDirection,
  unknownEndpoint,
  Verdict,
} from "@tsilium/hubble/model.ts";
import { colours, noColours } from "./colour.ts";
import { flowPrinter, type FlowStyle } from "./flow-printer.ts";

const compact: FlowStyle = {
  format: "compact",
  time: "StampMilli",
  nodes: false,
  policies: false,
  names: true,
  colours: noColours,
};

const timeNs = 1_234_567_800_000n;

const flow: Flow = {
  ...emptyFlow,
  timeNs,
  type: FlowType.l3l4,
  nodeName: "k8s1",
  verdict: Verdict.dropped,
  dropReason: 133,
  ip: { source: "1.1.1.1", sourceXlated: "", destination: "2.2.2.2", version: 1, encrypted: false },
  source: { ...unknownEndpoint, identity: 4 },
  destination: { ...unknownEndpoint, identity: 12_345 },
  l4: { kind: "tcp", sourcePort: 31_793, destinationPort: 8080, flags: undefined },
  eventType: { type: EventType.drop, subType: 133 },
  summary: "TCP Flags: SYN",
  isReply: false,
};

const policy = {
  name: "my-policy",
  namespace: "shop",
  labels: [],
  revision: 1,
  kind: "CiliumNetworkPolicy",
};
const clusterwide = {
  ...policy,
  name: "base",
  namespace: "",
  kind: "CiliumClusterwideNetworkPolicy",
};
const byRule = { ...policy, labels: [`${rulePathLabel}=spec.ingressDeny[0]`] };

const pods: Flow = {
  ...flow,
  source: { ...unknownEndpoint, identity: 300, namespace: "shop", podName: "web-0" },
  destination: { ...unknownEndpoint, identity: 301, namespace: "shop", podName: "db-0" },
};
const forwarded: Flow = {
  ...pods,
  verdict: Verdict.forwarded,
  dropReason: 0,
  eventType: { type: EventType.trace, subType: 0 },
};
const policyVerdict: Flow = {
  ...flow,
  isReply: undefined,
  dropReason: 0,
  direction: TrafficDirection.egress,
  eventType: { type: EventType.policyVerdict, subType: 0 },
};
const allowed: Flow = {
  ...policyVerdict,
  verdict: Verdict.forwarded,
  direction: TrafficDirection.ingress,
  policyMatchType: 2,
  ingressAllowedBy: [policy, clusterwide],
};
const http: Flow = {
  ...forwarded,
  type: FlowType.l7,
  eventType: { type: EventType.l7, subType: 0 },
  l7: {
    kind: "http",
    type: 2,
    latencyNs: 1,
    code: 200,
    method: "GET",
    url: "http://web/",
    protocol: "HTTP/1.1",
    headers: [],
  },
  summary: "HTTP/1.1 200 1ms (GET http://web/)",
};
const dns: Flow = {
  ...http,
  l7: {
    kind: "dns",
    type: 1,
    latencyNs: 0,
    query: "a.io.",
    ips: [],
    ttl: 0,
    cnames: [],
    observationSource: "proxy",
    rcode: 0,
    qtypes: ["A"],
    rrtypes: [],
  },
  summary: "DNS Query a.io. A",
};
const kafka: Flow = {
  ...http,
  l7: {
    kind: "kafka",
    type: 1,
    latencyNs: 0,
    errorCode: 0,
    apiVersion: 5,
    apiKey: "produce",
    correlationId: 1,
    topic: "orders",
  },
  summary: "Kafka request produce correlation id 1 topic 'orders[0]'",
};

const lines: readonly (readonly [string, Flow, string, Partial<FlowStyle>?])[] = [
  [
    "a drop, with its reason",
    flow,
    "Jan  1 00:20:34.567: 1.1.1.1:31793 (health) -> 2.2.2.2:8080 (ID:12345) Policy denied DROPPED (TCP Flags: SYN)",
  ],
  [
    "the node's name on request",
    flow,
    "Jan  1 00:20:34.567 [k8s1]: 1.1.1.1:31793 (health) -> 2.2.2.2:8080 (ID:12345) Policy denied DROPPED (TCP Flags: SYN)",
    { nodes: true },
  ],
  [
    "of a reply the client is on the left",
    { ...flow, isReply: true },
    "Jan  1 00:20:34.567: 2.2.2.2:8080 (ID:12345) <- 1.1.1.1:31793 (health) Policy denied DROPPED (TCP Flags: SYN)",
  ],
  [
    "not known whether it is a reply",
    { ...flow, isReply: undefined },
    "Jan  1 00:20:34.567: 1.1.1.1:31793 (health) <> 2.2.2.2:8080 (ID:12345) Policy denied DROPPED (TCP Flags: SYN)",
  ],
  [
    "pods by name",
    forwarded,
    "Jan  1 00:20:34.567: shop/web-0:31793 (ID:300) -> shop/db-0:8080 (ID:301) to-endpoint FORWARDED (TCP Flags: SYN)",
  ],
  [
    "no names if numbers are wanted",
    forwarded,
    "Jan  1 00:20:34.567: 1.1.1.1:31793 (ID:300) -> 2.2.2.2:8080 (ID:301) to-endpoint FORWARDED (TCP Flags: SYN)",
    { names: false },
  ],
  [
    "default deny: whose",
    { ...pods, ingressDeniedBy: [policy, clusterwide] },
    "Jan  1 00:20:34.567: shop/web-0:31793 (ID:300) -> shop/db-0:8080 (ID:301) Policy denied DROPPED (TCP Flags: SYN) denied by CiliumNetworkPolicy shop/my-policy (default deny), CiliumClusterwideNetworkPolicy base (default deny)",
  ],
  [
    "a rule that denies: which",
    {
      ...pods,
      dropReason: 181,
      eventType: { type: EventType.drop, subType: 181 },
      egressDeniedBy: [byRule],
    },
    "Jan  1 00:20:34.567: shop/web-0:31793 (ID:300) -> shop/db-0:8080 (ID:301) Policy denied by denylist DROPPED (TCP Flags: SYN) denied by CiliumNetworkPolicy shop/my-policy (spec.ingressDeny[0])",
  ],
  [
    "policy verdict: denied",
    policyVerdict,
    "Jan  1 00:20:34.567: 1.1.1.1:31793 (health) <> 2.2.2.2:8080 (ID:12345) policy-verdict:none EGRESS DENIED (TCP Flags: SYN)",
  ],
  [
    "policy verdict: denied by whom",
    { ...policyVerdict, egressDeniedBy: [policy] },
    "Jan  1 00:20:34.567: 1.1.1.1:31793 (health) <> 2.2.2.2:8080 (ID:12345) policy-verdict:none EGRESS DENIED BY my-policy (CiliumNetworkPolicy) (TCP Flags: SYN) denied by CiliumNetworkPolicy shop/my-policy",
    { policies: true },
  ],
  [
    "policy verdict: allowed",
    allowed,
    "Jan  1 00:20:34.567: 1.1.1.1:31793 (health) <> 2.2.2.2:8080 (ID:12345) policy-verdict:L3-L4 INGRESS ALLOWED (TCP Flags: SYN)",
  ],
  [
    "policy verdict: allowed by whom",
    allowed,
    "Jan  1 00:20:34.567: 1.1.1.1:31793 (health) <> 2.2.2.2:8080 (ID:12345) policy-verdict:L3-L4 INGRESS ALLOWED BY my-policy (CiliumNetworkPolicy), base (CiliumClusterwideNetworkPolicy) (TCP Flags: SYN)",
    { policies: true },
  ],
  [
    "audit: who would deny it",
    { ...policyVerdict, verdict: Verdict.audit, egressDeniedBy: [byRule] },
    "Jan  1 00:20:34.567: 1.1.1.1:31793 (health) <> 2.2.2.2:8080 (ID:12345) policy-verdict:none EGRESS AUDITED (TCP Flags: SYN) would be denied by CiliumNetworkPolicy shop/my-policy (spec.ingressDeny[0])",
  ],
  [
    "services, and DNS names where there is nothing better",
    {
      ...forwarded,
      source: { ...unknownEndpoint, identity: 2 },
      sourceNames: ["a.io", "b.io"],
      destination: { ...unknownEndpoint, identity: 0 },
      destinationService: { namespace: "shop", name: "db" },
      type: FlowType.sock,
      verdict: Verdict.translated,
      eventType: { type: EventType.traceSock, subType: 2 },
      socketPoint: 2,
      summary: "TCP",
    },
    "Jan  1 00:20:34.567: a.io,b.io:31793 (world) -> shop/db:8080 (unknown) post-xlate-fwd TRANSLATED (TCP)",
  ],
  [
    "IPv6, UDP",
    {
      ...forwarded,
      source: { ...unknownEndpoint, identity: 10 },
      ip: {
        source: "2001:db8::1",
        sourceXlated: "",
        destination: "fd00::1",
        version: 2,
        encrypted: false,
      },
      l4: { kind: "udp", sourcePort: 5353, destinationPort: 53 },
      eventType: { type: EventType.trace, subType: 11 },
      summary: "UDP",
    },
    "Jan  1 00:20:34.567: [2001:db8::1]:5353 (world-ipv6) -> shop/db-0:53 (ID:301) to-network FORWARDED (UDP)",
  ],
  [
    "no ports: ICMP",
    { ...forwarded, l4: { kind: "icmp4", type: 8, code: 0 }, summary: "ICMPv4 EchoRequest" },
    "Jan  1 00:20:34.567: shop/web-0 (ID:300) -> shop/db-0 (ID:301) to-endpoint FORWARDED (ICMPv4 EchoRequest)",
  ],
  [
    "no IP: ARP",
    {
      ...flow,
      ip: undefined,
      l4: undefined,
      ethernet: { source: "00:01:02:03:04:05", destination: "06:07:08:09:0a:0b" },
      eventType: { type: EventType.drop, subType: 139 },
      summary: "Ethernet",
    },
    "Jan  1 00:20:34.567: 00:01:02:03:04:05 (health) -> 06:07:08:09:0a:0b (ID:12345) Unsupported L3 protocol DROPPED (Ethernet)",
  ],
  [
    "HTTP",
    http,
    "Jan  1 00:20:34.567: shop/web-0:31793 (ID:300) -> shop/db-0:8080 (ID:301) http-response FORWARDED (HTTP/1.1 200 1ms (GET http://web/))",
  ],
  [
    "DNS",
    dns,
    "Jan  1 00:20:34.567: shop/web-0:31793 (ID:300) -> shop/db-0:8080 (ID:301) dns-request proxy FORWARDED (DNS Query a.io. A)",
  ],
  [
    "Kafka",
    kafka,
    "Jan  1 00:20:34.567: shop/web-0:31793 (ID:300) -> shop/db-0:8080 (ID:301) kafka-request FORWARDED (Kafka request produce correlation id 1 topic 'orders[0]')",
  ],
  [
    "numbers that we have no word for",
    {
      ...flow,
      verdict: 42,
      eventType: { type: EventType.trace, subType: 123 },
    },
    "Jan  1 00:20:34.567: 1.1.1.1:31793 (health) -> 2.2.2.2:8080 (ID:12345) 123 42 (TCP Flags: SYN)",
  ],
  [
    "nothing at all",
    emptyFlow,
    "Jan  1 00:00:00.000:  (unknown) <>  (unknown) UNKNOWN VERDICT_UNKNOWN ()",
  ],
];

for (const [name, given, line, style] of lines) {
  test(`compact: ${name}`, () => {
    assert.equal(flowPrinter({ ...compact, ...style }).flow(given), `${line}\n`);
  });
}

test("dict: a block for each flow, a line between them", () => {
  const printer = flowPrinter({ ...compact, format: "dict", nodes: true });
  const text = printer.flow(flow) + printer.flow({ ...pods, ingressDeniedBy: [policy] });
  assert.equal(
    text,
    `  TIMESTAMP: Jan  1 00:20:34.567
       NODE: k8s1
     SOURCE: 1.1.1.1:31793
DESTINATION: 2.2.2.2:8080
       TYPE: Policy denied
    VERDICT: DROPPED
    SUMMARY: TCP Flags: SYN
------------
  TIMESTAMP: Jan  1 00:20:34.567
       NODE: k8s1
     SOURCE: shop/web-0:31793
DESTINATION: shop/db-0:8080
       TYPE: Policy denied
    VERDICT: DROPPED
    SUMMARY: TCP Flags: SYN
     REASON: denied by CiliumNetworkPolicy shop/my-policy (default deny)
`,
  );
});

const lost = { source: 3, count: 7, cpu: 5, firstNs: 0n, lastNs: 0n };
const spanned = {
  ...lost,
  cpu: undefined,
  firstNs: timeNs - 4_000_000_000n,
  lastNs: timeNs + 4_000_000_000n,
};

test("table: columns, of everything that came", () => {
  const printer = flowPrinter({ ...compact, format: "table", colours });
  assert.equal(
    printer.flow(flow) + printer.flow(forwarded) + printer.lost(lost, { timeNs, nodeName: "" }),
    "",
  );
  assert.equal(
    printer.end(),
    `TIMESTAMP             SOURCE               DESTINATION      TYPE            VERDICT     SUMMARY
Jan  1 00:20:34.567   1.1.1.1:31793        2.2.2.2:8080     Policy denied   DROPPED     TCP Flags: SYN
Jan  1 00:20:34.567   shop/web-0:31793     shop/db-0:8080   to-endpoint     FORWARDED   TCP Flags: SYN
Jan  1 00:20:34.567   HUBBLE_RING_BUFFER   -                EVENTS LOST     -           CPU(5) - 7
`,
  );
  assert.equal(flowPrinter({ ...compact, format: "table" }).end(), "");
});

test("losses", () => {
  const origin = { timeNs, nodeName: "node-1" };
  assert.equal(
    flowPrinter(compact).lost(lost, origin),
    "Jan  1 00:20:34.567 EVENTS LOST: HUBBLE_RING_BUFFER CPU(5) 7\n",
  );
  assert.equal(
    flowPrinter(compact).lost({ ...spanned, source: 1 }, origin),
    "Jan  1 00:20:34.567 EVENTS LOST: PERF_EVENT_RING_BUFFER CPU(0) 7 (first: Jan  1 00:20:30.567, last: Jan  1 00:20:38.567)\n",
  );
  assert.equal(
    flowPrinter({ ...compact, format: "dict", nodes: true }).lost(spanned, origin),
    `  TIMESTAMP: Jan  1 00:20:34.567
       NODE: node-1
     SOURCE: HUBBLE_RING_BUFFER
       TYPE: EVENTS LOST
    VERDICT: -
    SUMMARY: CPU(0) - 7 (first: Jan  1 00:20:30.567, last: Jan  1 00:20:38.567)
`,
  );
});

test("states of nodes", () => {
  const origin = { timeNs, nodeName: "relay" };
  const names = ["node-1", "node-2"];
  const rows: readonly (readonly [number, string])[] = [
    [1, "Receiving flows from 2 nodes: node-1, node-2"],
    [2, "2 nodes are unavailable: node-1, node-2"],
    [3, "2 nodes removed from cluster: node-1, node-2"],
    [4, 'Error "it hangs" on 2 nodes: node-1, node-2'],
    [9, "unknown node status event 9: node-1, node-2"],
  ];
  for (const [state, text] of rows) {
    assert.equal(
      flowPrinter(compact).nodeStatus({ state, nodeNames: names, message: "it hangs" }, origin),
      `Jan  1 00:20:34.567 [relay]: ${text}\n`,
    );
  }
  const many = Array.from({ length: 9 }, (_, at) => `worker-node-${at}`);
  assert.equal(
    flowPrinter({ ...compact, format: "dict" }).nodeStatus(
      { state: 2, nodeNames: many, message: "" },
      origin,
    ),
    `  TIMESTAMP: Jan  1 00:20:34.567
      STATE: NODE_UNAVAILABLE
      NODES: worker-node-0, worker-node-1, worker-node-2 (and 6 more)
    MESSAGE: N/A
`,
  );
});

test("colours are those of Cilium's hubble", () => {
  assert.equal(
    flowPrinter({ ...compact, colours }).flow(flow),
    "Jan  1 00:20:34.567: \u001b[36m1.1.1.1:\u001b[33m31793\u001b[0m\u001b[0m \u001b[35m(health)\u001b[0m -> \u001b[36m2.2.2.2:\u001b[33m8080\u001b[0m\u001b[0m \u001b[35m(ID:12345)\u001b[0m Policy denied \u001b[31mDROPPED\u001b[0m (TCP Flags: SYN)\n",
  );
});

// Line feeds are ours: none of the names below makes one, which is counted.
// oxlint-disable-next-line no-control-regex
const controls = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/;

test("CVE-2025-48056: nothing from the network or the API reaches the terminal as a control character", () => {
  const evil = "\u001b[2J\u009b31m\r\nx\u0007\u202ey\u2028";
  const endpoint = { ...unknownEndpoint, namespace: evil, podName: evil };
  const evilPolicy = {
    ...policy,
    name: evil,
    namespace: evil,
    kind: evil,
    labels: [`${rulePathLabel}=${evil}`],
  };
  const everywhere: readonly Flow[] = [
    {
      ...flow,
      nodeName: evil,
      source: endpoint,
      destination: endpoint,
      summary: evil,
      egressDeniedBy: [evilPolicy],
    },
    {
      ...allowed,
      verdict: Verdict.dropped,
      source: unknownEndpoint,
      sourceService: { name: evil, namespace: evil },
      destinationNames: [evil, evil],
      ingressDeniedBy: [evilPolicy],
    },
    { ...flow, ip: { ...(flow.ip as NonNullable<Flow["ip"]>), source: evil, destination: evil } },
    { ...flow, ip: undefined, ethernet: { source: evil, destination: evil } },
    {
      ...dns,
      l7: { ...(dns.l7 as NonNullable<Flow["l7"]>), observationSource: evil } as Flow["l7"],
    },
  ];
  const origin = { timeNs, nodeName: evil };
  for (const format of ["compact", "dict", "table"] as const) {
    const printer = flowPrinter({ ...compact, format, nodes: true, policies: true });
    const text =
      everywhere.map((each) => printer.flow(each)).join("") +
      printer.lost(lost, origin) +
      printer.nodeStatus({ state: 4, nodeNames: [evil], message: evil }, origin) +
      printer.end();
    assert.doesNotMatch(text, controls);
    const breaks = { compact: 7, dict: 53, table: 8 }[format];
    assert.equal(text.split("\n").length - 1, breaks, format);
  }
});
