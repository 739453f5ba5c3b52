import assert from "node:assert/strict";
import { test } from "node:test";
import { create, fromBinary, toJson, type JsonObject } from "@bufbuild/protobuf";
import { repeat } from "@tsilium/testkit";
import { FlowSchema } from "../gen/flow/flow_pb.ts";
import { GetFlowsRequestSchema } from "../gen/observer/observer_pb.ts";
import {
  CodecError,
  compileFieldMask,
  decodeFlowsResponse,
  encodeFlow,
  encodeFlowResponse,
  fieldMaskOf,
  flowToJson,
} from "./index.ts";
import { randomFlow, typicalFlow } from "./testing/flows.ts";

const masks: readonly (readonly [paths: readonly string[], expected: JsonObject])[] = [
  [["verdict"], { verdict: "FORWARDED" }],
  [
    ["source.pod_name", "source.identity", "destination.namespace"],
    {
      source: { identity: 30_001, pod_name: "app-1-7d9f4b5c-x2x4z" },
      destination: { namespace: "shop" },
    },
  ],
  [["l4.TCP.flags.SYN", "l4.UDP"], { l4: { TCP: { flags: { SYN: true } } } }],
  [["source", "source.pod_name"], { source: flowToJson(typicalFlow(1))["source"] as JsonObject }],
  [["source.pod_name", "source"], { source: flowToJson(typicalFlow(1))["source"] as JsonObject }],
  [["IP.source", "IP.source_xlated"], { IP: { source: "10.244.1.1" } }],
  [["l4.TCP.flags.ACK"], { l4: { TCP: { flags: {} } } }],
  [["l7.http.url", "drop_reason_desc"], {}],
  [["is_reply"], { is_reply: false }],
  [["Summary", "time"], { Summary: "TCP Flags: SYN", time: "2026-05-28T20:26:40.123466789Z" }],
];
for (const [paths, expected] of masks) {
  test(`the mask ${paths.join(",")} leaves what it names`, () => {
    const pruned = compileFieldMask(paths).pruneFlow(encodeFlow(typicalFlow(1)));
    const json = toJson(FlowSchema, fromBinary(FlowSchema, pruned), { useProtoFieldName: true });
    assert.deepEqual(json, expected);
  });
}

test("a mask of all fields leaves a flow as it is", () => {
  const mask = compileFieldMask(FlowSchema.fields.map(({ name }) => name));
  repeat({ runs: 300 }, (random) => {
    const flow = randomFlow(random);
    assert.deepEqual(mask.pruneFlow(encodeFlow(flow)), encodeFlow(flow));
    assert.deepEqual(mask.apply(flow), flow);
  });
});

test("a masked response keeps its node and time", () => {
  const bytes = encodeFlowResponse(typicalFlow(1), compileFieldMask(["verdict"]));
  const response = decodeFlowsResponse(bytes);
  assert(response !== undefined && "flow" in response);
  assert.equal(response.nodeName, "node-1");
  assert.equal(response.timeNs, typicalFlow(1).timeNs);
  assert.equal(response.flow.verdict, 1);
  assert.equal(response.flow.nodeName, "");
});

for (const path of [
  "nonsense",
  "source.nonsense",
  "",
  "source.",
  "verdict.x",
  "source.workloads.name",
  "source.labels.x",
  "Time",
]) {
  test(`the path "${path}" is refused by name`, () => {
    assert.throws(
      () => compileFieldMask(["verdict", path]),
      (error) =>
        error instanceof CodecError && error.code === "mask" && error.message.includes(`"${path}"`),
    );
  });
}

test("a request's mask is where clients put it, or where older ones did", () => {
  const request = (init: object) => create(GetFlowsRequestSchema, init);
  const paths = ["verdict"];
  assert.equal(fieldMaskOf(request({})), undefined);
  assert.deepEqual(fieldMaskOf(request({ fieldMask: { paths } }))?.paths, paths);
  assert.deepEqual(fieldMaskOf(request({ experimental: { fieldMask: { paths } } }))?.paths, paths);
  const both = request({ fieldMask: { paths: ["time"] }, experimental: { fieldMask: { paths } } });
  assert.deepEqual(fieldMaskOf(both)?.paths, ["time"]);
});
