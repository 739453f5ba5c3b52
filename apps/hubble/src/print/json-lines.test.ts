import assert from "node:assert/strict";
import { test } from "node:test";
import { create, fromJson, toBinary } from "@bufbuild/protobuf";
import { encodeFlowsResponse } from "@tsilium/hubble/codec/index.ts";
import { FlowSchema } from "@tsilium/hubble/gen/flow/flow_pb.ts";
import { GetFlowsResponseSchema } from "@tsilium/hubble/gen/observer/observer_pb.ts";
import { emptyFlow, unknownEndpoint, Verdict } from "@tsilium/hubble/model.ts";
import { flowsResponseLine, jsonLine } from "./json-lines.ts";

const timeNs = 1_234_567_800_000n;

test("our own agents' flows: an object a line, with the .proto files' names", () => {
  const flow = {
    ...emptyFlow,
    timeNs,
    verdict: Verdict.dropped,
    dropReason: 133,
    nodeName: "k8s1",
    isReply: false,
    source: { ...unknownEndpoint, identity: 4, podName: "a\u001b\u009b" },
    summary: "TCP Flags: SYN",
  };
  assert.equal(
    flowsResponseLine(encodeFlowsResponse({ flow, nodeName: "k8s1", timeNs })),
    '{"flow":{"time":"1970-01-01T00:20:34.567800Z","emitter":{"name":"Tsilium","version":"0.1.0"},"verdict":"DROPPED","drop_reason":133,"source":{"identity":4,"pod_name":"a\\u001b\\u009b"},"node_name":"k8s1","drop_reason_desc":"POLICY_DENIED","is_reply":false,"Summary":"TCP Flags: SYN"},"node_name":"k8s1","time":"1970-01-01T00:20:34.567800Z"}\n',
  );
});

test("others' flows lose nothing, and get nothing that they have not", () => {
  const json = {
    flow: {
      time: "1970-01-01T00:20:34.567800Z",
      verdict: "FORWARDED",
      auth_type: "SPIRE",
      file: { name: "bpf_lxc.c", line: 7 },
      ip_trace_id: { trace_id: "1234", ip_option_type: 136 },
      emitter: { name: "Hubble", version: "1.19.0" },
    },
    node_name: "k8s1",
    time: "1970-01-01T00:20:34.567800Z",
  };
  const bytes = toBinary(GetFlowsResponseSchema, fromJson(GetFlowsResponseSchema, json));
  assert.deepEqual(JSON.parse(flowsResponseLine(bytes)), json);
});

test("values from after our time leave the rest readable", () => {
  const value = create(FlowSchema, { verdict: 99 as never, nodeName: "k8s1" });
  const bytes = toBinary(
    GetFlowsResponseSchema,
    create(GetFlowsResponseSchema, { responseTypes: { case: "flow", value } }),
  );
  assert.equal(JSON.parse(flowsResponseLine(bytes)).flow.node_name, "k8s1");
});

test("losses", () => {
  const lost = { source: 3, count: 1, cpu: 5, firstNs: 0n, lastNs: 0n };
  assert.equal(
    flowsResponseLine(encodeFlowsResponse({ lost, nodeName: "n", timeNs })),
    '{"lost_events":{"source":"HUBBLE_RING_BUFFER","num_events_lost":"1","cpu":5},"node_name":"n","time":"1970-01-01T00:20:34.567800Z"}\n',
  );
});

test("what a terminal would obey is escaped, and means the same", () => {
  const text = "\u001b[2J\u009b31m\u2028\u202e\u2066";
  const line = jsonLine({ text });
  assert.equal(line, '{"text":"\\u001b[2J\\u009b31m\\u2028\\u202e\\u2066"}\n');
  assert.deepEqual(JSON.parse(line), { text });
});
