import assert from "node:assert/strict";
import { test } from "node:test";
import { emptyFlow, type Flow, type FlowEndpoint } from "@tsilium/hubble/model.ts";
import { FlowDecoder, FlowEncoder } from "./seen-flow.ts";

const endpoint = (podName: string): FlowEndpoint => ({
  id: 7,
  identity: 4711,
  clusterName: "default",
  namespace: "shop",
  labels: ["k8s:app=web"],
  podName,
  workloads: [{ name: "web", kind: "Deployment" }],
});
const policy = {
  name: "p",
  namespace: "shop",
  labels: ["a=b"],
  revision: 3,
  kind: "NetworkPolicy",
};

const full: Flow = {
  sequence: 12,
  timeNs: 1_790_000_000_123_456_789n,
  uuid: "0d9f1b0e-0000-4000-8000-000000000001",
  verdict: 2,
  dropReason: 133,
  ethernet: { source: "02:00:00:00:00:01", destination: "02:00:00:00:00:02" },
  ip: {
    source: "10.0.0.1",
    sourceXlated: "172.18.0.2",
    destination: "fd00::1",
    version: 2,
    encrypted: true,
  },
  l4: { kind: "icmp6", type: 128, code: 0 },
  source: endpoint("web-1"),
  destination: endpoint("web-2"),
  type: 1,
  nodeName: "node-1",
  nodeLabels: ["zone=a"],
  sourceNames: ["a.example."],
  destinationNames: ["b.example."],
  l7: {
    type: 1,
    latencyNs: 5,
    kind: "http",
    code: 200,
    method: "GET",
    url: "/",
    protocol: "HTTP/1.1",
    headers: [],
  },
  isReply: false,
  eventType: { type: 1, subType: 133 },
  sourceService: { name: "s", namespace: "n" },
  destinationService: { name: "d", namespace: "n" },
  direction: 1,
  policyMatchType: 4,
  observationPoint: 0,
  traceReason: 1,
  interface: { index: 3, name: "lxc1" },
  proxyPort: 15_000,
  socketPoint: 1,
  socketCookie: 2n ** 63n,
  cgroupId: 99n,
  summary: "TCP Flags: SYN",
  egressAllowedBy: [policy],
  ingressAllowedBy: [],
  egressDeniedBy: [],
  ingressDeniedBy: [policy, { ...policy, name: "q" }],
  policyLog: ["why"],
};

function travelled(encoder: FlowEncoder, decoder: FlowDecoder, flow: Flow) {
  const wire = encoder.encode(flow);
  const line = JSON.parse(JSON.stringify({ told: encoder.takeTold(), wire })) as {
    told: ReturnType<FlowEncoder["takeTold"]>;
    wire: ReturnType<FlowEncoder["encode"]>;
  };
  decoder.hear(line.told);
  return decoder.decode(line.wire);
}

test("every field of a flow arrives, big numbers as text", () => {
  const { sequence: _sequence, ...expected } = full;
  assert.deepEqual(travelled(new FlowEncoder(), new FlowDecoder(), full), {
    ...expected,
    timeNs: "1790000000123456789",
    timeMs: 1_790_000_000_123.456,
    socketCookie: String(2n ** 63n),
    cgroupId: "99",
  });
});

test("a flow that says nothing arrives as one that says nothing", () => {
  const { sequence: _sequence, ...expected } = emptyFlow;
  assert.deepEqual(travelled(new FlowEncoder(), new FlowDecoder(), emptyFlow), {
    ...expected,
    timeNs: "0",
    timeMs: 0,
    socketCookie: "0",
    cgroupId: "0",
  });
});

test("an endpoint is told once, also when it comes as another object", () => {
  const encoder = new FlowEncoder();
  const decoder = new FlowDecoder();
  travelled(encoder, decoder, full);
  const again = encoder.encode({ ...full, source: endpoint("web-1") });
  assert.deepEqual(encoder.takeTold(), {});
  assert.equal(decoder.decode(again).source.podName, "web-1");
});

test("after very many endpoints numbers start anew, and names stay right", () => {
  const encoder = new FlowEncoder();
  const decoder = new FlowDecoder();
  let resets = 0;
  for (let at = 0; at < 45_000; at++) {
    const wire = encoder.encode({ ...emptyFlow, source: endpoint(`pod-${at}`) });
    const told = encoder.takeTold();
    if (told.reset) resets++;
    decoder.hear(told);
    assert.equal(decoder.decode(wire).source.podName, `pod-${at}`);
  }
  assert.equal(resets, 2);
});
