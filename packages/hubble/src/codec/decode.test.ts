import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type DescField,
  type DescMessage,
  ScalarType,
  create,
  fromBinary,
  toBinary,
} from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { type Random, repeat } from "@tsilium/testkit";
import { FlowSchema, Layer4Schema } from "../gen/flow/flow_pb.ts";
import { GetFlowsResponseSchema } from "../gen/observer/observer_pb.ts";
import { emptyFlow } from "../model.ts";
import {
  CodecError,
  decodeFlow,
  decodeFlowsResponse,
  encodeFlow,
  encodeFlowResponse,
  flowFromMessage,
  peekResponse,
} from "./index.ts";
import { randomFlow } from "./testing/flows.ts";

const refused: readonly (readonly [sentence: string, bytes: string, code: string])[] = [
  ["a length that goes beyond the end", "5a05616263", "truncated"],
  ["a length of four gigabytes", "5affffffff0f", "truncated"],
  ["a number that does not end", "10ffff", "truncated"],
  ["a number of eleven bytes", "10ffffffffffffffffffff01", "varint"],
  ["field number 0", "0000", "tag"],
  ["wire type 7", "1f00", "tag"],
  ["the end of a group that did not begin", "3c", "tag"],
  ["a group without an end", "7b", "truncated"],
  ["text that is not UTF-8", "5a02c328", "utf8"],
  ["text that is a lone surrogate", "5a03eda080", "utf8"],
  ["a time in the year 10000", "0a07088083d1ffaf07", "time"],
  ["a thousand million nanoseconds", "0a06108094ebdc03", "time"],
  ["a nested message that is cut off", "2a020a05", "truncated"],
  ["an endpoint with broken text", "42042a02c328", "utf8"],
];
for (const [sentence, bytes, code] of refused) {
  test(`${sentence} is refused: ${code}`, () => {
    assert.throws(
      () => decodeFlow(Buffer.from(bytes, "hex")),
      (error) => error instanceof CodecError && error.code === code,
    );
  });
}

test("no bytes are a flow of which nothing is known", () => {
  assert.deepEqual(decodeFlow(new Uint8Array()), emptyFlow);
});

test("fields that we do not know are passed over, groups included", () => {
  const known = Buffer.from(encodeFlow({ ...emptyFlow, nodeName: "node-1" })).toString("hex");
  // 600: a number, 601: 8 bytes, 602: bytes, 603: a group with a field, 604: 4 bytes.
  const unknown = "c02501" + "c9250102030405060708" + "d2250161" + "db250801dc25" + "e52501020304";
  const flow = decodeFlow(Buffer.from(unknown + known + unknown, "hex"));
  assert.deepEqual(flow, { ...emptyFlow, nodeName: "node-1" });
});

test("a known field of another wire type counts as unknown", () => {
  // node_name as a number.
  assert.deepEqual(decodeFlow(Buffer.from("5801", "hex")), emptyFlow);
});

test("the pieces of one nested message are merged, as protobuf wants it", () => {
  repeat({ runs: 300 }, (random) => {
    const [first, second] = [randomFlow(random), randomFlow(random)];
    const both = Buffer.concat([encodeFlow(first), encodeFlow(second)]);
    assert.deepEqual(decodeFlow(both), flowFromMessage(fromBinary(FlowSchema, both)));
  });
});

test("protocols that the model has not are no layer 4", () => {
  const l4 = create(Layer4Schema, { protocol: { case: "VRRP", value: { type: 1 } } } as never);
  const bytes = toBinary(FlowSchema, create(FlowSchema, { l4, nodeName: "n" }));
  assert.deepEqual(decodeFlow(bytes), { ...emptyFlow, nodeName: "n" });
});

test("random bytes are decoded or refused, never anything else", () => {
  repeat({ runs: 8000 }, (random) => {
    const bytes = random.bytes(random.below(60));
    decodesOrRefuses(bytes);
  });
});

test("flows with flipped bits, cut off or glued together are decoded or refused, and what is decoded is what protobuf-es sees", () => {
  repeat({ runs: 1200 }, (random) => {
    const bytes = damaged(random, encodeFlow(randomFlow(random)));
    const ours = decodesOrRefuses(bytes);
    const theirs = ours && theirsOf(bytes);
    if (theirs !== undefined) assert.deepEqual(ours, theirs);
  });
});

test("a response's outside is read without its inside", () => {
  repeat({ runs: 300 }, (random) => {
    const flow = randomFlow(random);
    const bytes = encodeFlowResponse(flow);
    const { body, ...outside } = peekResponse(bytes);
    assert.deepEqual(outside, { kind: "flow", timeNs: flow.timeNs, nodeName: flow.nodeName });
    assert.equal(body.buffer, bytes.buffer, "a view, not a copy");
    assert.deepEqual(decodeFlow(body), flow);
  });
});

test("damaged responses are peeked at or refused", () => {
  repeat({ runs: 1000 }, (random) => {
    const bytes = damaged(random, encodeFlowResponse(randomFlow(random)));
    for (const read of [peekResponse, decodeFlowsResponse]) {
      try {
        read(bytes);
      } catch (error) {
        assert(error instanceof CodecError, String(error));
      }
    }
  });
});

test("an unknown kind of response has no content", () => {
  const bytes = toBinary(GetFlowsResponseSchema, create(GetFlowsResponseSchema, { nodeName: "n" }));
  assert.equal(decodeFlowsResponse(bytes), undefined);
  assert.equal(peekResponse(bytes).kind, "unknown");
});

function damaged(random: Random, bytes: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(bytes);
  const flips = random.below(4);
  for (let count = 0; count < flips && copy.length > 0; count++) {
    const at = random.below(copy.length);
    copy[at] = (copy[at] as number) ^ (1 << random.below(8));
  }
  const whole = random.chance(0.7) ? copy : copy.subarray(0, random.below(copy.length + 1));
  return random.chance(0.1) ? Buffer.concat([whole, whole]) : whole;
}

function decodesOrRefuses(bytes: Uint8Array) {
  try {
    return decodeFlow(bytes);
  } catch (error) {
    assert(
      error instanceof CodecError,
      `${String(error)} for ${Buffer.from(bytes).toString("hex")}`,
    );
    return undefined;
  }
}

/** Whether every known field has its wire type: protobuf-es does not look, and reads on in the wrong place. */
function isWellTyped(bytes: Uint8Array, message: DescMessage): boolean {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag();
    const field = message.fields.find((each) => each.number === number);
    if (type === WireType.EndGroup) return false;
    if (field === undefined) reader.skip(type, number);
    else if (type !== wireTypeOf(field)) return false;
    else if (type === WireType.Varint) reader.skip(type, number);
    else if (!isMessage(field)) reader.bytes();
    else if (!isWellTyped(reader.bytes(), field.message as DescMessage)) return false;
  }
  return true;
}

function wireTypeOf(field: DescField): WireType {
  return isMessage(field) || field.scalar === ScalarType.STRING || field.scalar === ScalarType.BYTES
    ? WireType.LengthDelimited
    : WireType.Varint;
}

const isMessage = (field: DescField) => field.message !== undefined;

/** undefined: they do not read it, or not where a field has its place. */
function theirsOf(bytes: Uint8Array) {
  try {
    if (!isWellTyped(bytes, FlowSchema)) return undefined;
    return flowFromMessage(fromBinary(FlowSchema, bytes));
  } catch {
    return undefined;
  }
}
