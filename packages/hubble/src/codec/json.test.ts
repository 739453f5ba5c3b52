import assert from "node:assert/strict";
import { test } from "node:test";
import { type JsonValue, toBinary, toJson, fromBinary } from "@bufbuild/protobuf";
import { repeat } from "@tsilium/testkit";
import { FlowSchema } from "../gen/flow/flow_pb.ts";
import { GetFlowsResponseSchema } from "../gen/observer/observer_pb.ts";
import {
  CodecError,
  encodeFlowsResponse,
  type FlowsResponse,
  flowToJson,
  flowsResponseFromJson,
  flowsResponseToJson,
  messageFromFlow,
} from "./index.ts";
import { randomFlow, typicalFlow } from "./testing/flows.ts";

test("a flow's JSON is what protobuf-es makes of its message", () => {
  repeat({ runs: 300 }, (random) => {
    const flow = randomFlow(random);
    const expected = toJson(FlowSchema, messageFromFlow(flow), { useProtoFieldName: true });
    assert.deepEqual(flowToJson(flow), expected);
  });
});

test("a line of JSON is as hubble prints it", () => {
  const line = flowsResponseToJson({
    nodeName: "node-1",
    timeNs: 1_780_000_000_500_000_000n,
    flow: typicalFlow(1),
  });
  assert.deepEqual(line, {
    flow: {
      time: "2026-05-28T20:26:40.123466789Z",
      uuid: "5f1c9a52-7e11-4d0b-9c55-000000000001",
      emitter: { name: "Tsilium", version: "0.1.0" },
      verdict: "FORWARDED",
      ethernet: { source: "aa:bb:cc:dd:ee:01", destination: "aa:bb:cc:dd:ee:ff" },
      IP: { source: "10.244.1.1", destination: "10.244.2.1", ipVersion: "IPv4" },
      l4: { TCP: { source_port: 30_001, destination_port: 5432, flags: { SYN: true } } },
      source: {
        ID: 101,
        identity: 30_001,
        cluster_name: "default",
        namespace: "shop",
        labels: [
          "k8s:app=app-1",
          "k8s:io.cilium.k8s.policy.cluster=default",
          "k8s:io.kubernetes.pod.namespace=shop",
        ],
        pod_name: "app-1-7d9f4b5c-x2x4z",
        workloads: [{ name: "app-1", kind: "Deployment" }],
      },
      destination: {
        ID: 102,
        identity: 30_002,
        cluster_name: "default",
        namespace: "shop",
        labels: [
          "k8s:app=app-2",
          "k8s:io.cilium.k8s.policy.cluster=default",
          "k8s:io.kubernetes.pod.namespace=shop",
        ],
        pod_name: "app-2-7d9f4b5c-x2x4z",
        workloads: [{ name: "app-2", kind: "Deployment" }],
      },
      Type: "L3_L4",
      node_name: "node-1",
      node_labels: ["kubernetes.io/arch=amd64", "kubernetes.io/os=linux"],
      event_type: { type: 4 },
      traffic_direction: "INGRESS",
      trace_observation_point: "TO_ENDPOINT",
      trace_reason: "NEW",
      is_reply: false,
      interface: { index: 7, name: "lxc1234" },
      Summary: "TCP Flags: SYN",
    },
    node_name: "node-1",
    time: "2026-05-28T20:26:40.500Z",
  });
});

const others: readonly (readonly [string, FlowsResponse, JsonValue])[] = [
  [
    "losses",
    {
      nodeName: "node-1",
      timeNs: 1_780_000_000_000_000_000n,
      lost: { source: 1, count: 4711, cpu: 0, firstNs: 1_780_000_000_000_000_000n, lastNs: 0n },
    },
    {
      lost_events: {
        source: "PERF_EVENT_RING_BUFFER",
        num_events_lost: "4711",
        cpu: 0,
        first: "2026-05-28T20:26:40Z",
      },
      node_name: "node-1",
      time: "2026-05-28T20:26:40Z",
    },
  ],
  [
    "a node that is away",
    {
      nodeName: "relay",
      timeNs: 1_780_000_000_000_000_000n,
      nodeStatus: { state: 2, nodeNames: ["node-2", "node-3"], message: "no route" },
    },
    {
      node_status: {
        state_change: "NODE_UNAVAILABLE",
        node_names: ["node-2", "node-3"],
        message: "no route",
      },
      node_name: "relay",
      time: "2026-05-28T20:26:40Z",
    },
  ],
];
for (const [what, response, json] of others) {
  test(`${what}: JSON, bytes and back`, () => {
    assert.deepEqual(flowsResponseToJson(response), json);
    assert.deepEqual(flowsResponseFromJson(json), response);
    const message = fromBinary(GetFlowsResponseSchema, encodeFlowsResponse(response));
    assert.deepEqual(toJson(GetFlowsResponseSchema, message, { useProtoFieldName: true }), json);
    assert.deepEqual(
      toBinary(GetFlowsResponseSchema, message),
      Uint8Array.from(encodeFlowsResponse(response)),
    );
  });
}

test("flows survive JSON", () => {
  repeat({ runs: 300 }, (random) => {
    const response = {
      nodeName: "n",
      timeNs: 1_780_000_000_000_000_000n,
      flow: randomFlow(random),
    };
    const line = JSON.stringify(flowsResponseToJson(response));
    assert.deepEqual(flowsResponseFromJson(JSON.parse(line)), response);
  });
});

test("JSON that is no response is refused, unknown fields are not", () => {
  const refused: JsonValue[] = [
    [],
    "x",
    { flow: { verdict: true } },
    { flow: { time: "yesterday" } },
  ];
  for (const json of refused) {
    assert.throws(() => flowsResponseFromJson(json), CodecError);
  }
  assert.equal(flowsResponseFromJson({ something: { new: true } }), undefined);
});
