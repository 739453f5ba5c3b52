import assert from "node:assert/strict";
import { test } from "node:test";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { repeat } from "@tsilium/testkit";
import { FlowSchema } from "../gen/flow/flow_pb.ts";
import { emptyFlow } from "../model.ts";
import { randomFlow, typicalFlow } from "./testing/flows.ts";
import { decodeFlow, encodeFlow, flowDecoder, flowFromMessage, messageFromFlow } from "./index.ts";

test("a flow is encoded byte for byte as protobuf-es encodes its message", () => {
  repeat({ runs: 800 }, (random) => {
    const flow = randomFlow(random);
    const expected = toBinary(FlowSchema, messageFromFlow(flow));
    assert.equal(hex(encodeFlow(flow)), hex(expected));
  });
});

test("what is encoded is decoded to the same flow, by our decoder and over protobuf-es", () => {
  repeat({ runs: 800 }, (random) => {
    const flow = randomFlow(random);
    const bytes = encodeFlow(flow);
    assert.deepEqual(decodeFlow(bytes), flow);
    assert.deepEqual(flowFromMessage(fromBinary(FlowSchema, bytes)), flow);
  });
});

test("results stay what they were while others are encoded", () => {
  const flows = Array.from({ length: 2000 }, (_, number) => typicalFlow(number));
  const encoded = flows.map(encodeFlow);
  for (const [number, bytes] of encoded.entries()) {
    assert.deepEqual(decodeFlow(bytes), flows[number]);
  }
});

test("a flow far larger than the block that is written into is encoded", () => {
  const huge = {
    ...typicalFlow(1),
    summary: "é".repeat(300_000),
    policyLog: ["x".repeat(100_000)],
  };
  assert.equal(hex(encodeFlow(huge)), hex(toBinary(FlowSchema, messageFromFlow(huge))));
  assert.deepEqual(decodeFlow(encodeFlow(huge)), huge);
  assert.deepEqual(decodeFlow(encodeFlow(typicalFlow(2))), typicalFlow(2));
});

const observationPoints: readonly (readonly [model: number, wire: number, name: string])[] = [
  [-1, 0, "not a trace"],
  [0, 101, "to an endpoint"],
  [1, 1, "to a proxy"],
  [5, 5, "from an endpoint"],
  [13, 13, "to encryption"],
];
for (const [model, wire, name] of observationPoints) {
  test(`the observation point "${name}" is ${wire} on the wire`, () => {
    const flow = { ...emptyFlow, observationPoint: model };
    assert.equal(fromBinary(FlowSchema, encodeFlow(flow)).traceObservationPoint, wire);
    assert.equal(decodeFlow(encodeFlow(flow)).observationPoint, model);
  });
}

test("clients of before is_reply and drop_reason_desc are told too", () => {
  const flow = { ...emptyFlow, isReply: true, verdict: 2, dropReason: 133 };
  const message = fromBinary(FlowSchema, encodeFlow(flow));
  const { reply, isReply, dropReason, dropReasonDesc } = message;
  assert.deepEqual(
    { reply, isReply, dropReason, dropReasonDesc },
    {
      reply: true,
      isReply: true,
      dropReason: 133,
      dropReasonDesc: 133,
    },
  );
});

test("flows of one pod share one endpoint after decoding", () => {
  const decode = flowDecoder();
  const [first, second] = [typicalFlow(3), typicalFlow(53)].map((flow) => decode(encodeFlow(flow)));
  assert.equal(first?.source, second?.source);
  assert.equal(first?.destination, second?.destination);
});

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
