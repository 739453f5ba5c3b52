import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { timestampFromNs } from "../codec/index.ts";
import { GetFlowsRequestSchema } from "../gen/observer/observer_pb.ts";
import { partsOf, unbounded } from "./request.ts";

const everything = 0xffff_ffff_ffff_ffffn;
const request = (fields: object) => create(GetFlowsRequestSchema, fields);

test("all there is comes in order, and is not held until the last peer has answered", () => {
  const all = unbounded(request({ number: everything }));
  assert.deepEqual(partsOf(all), [{ kind: "inOrder", limit: 0 }]);
  assert.deepEqual([all.number, all.since], [0n, timestampFromNs(0n)]);
});

test("all there is, and what comes then", () => {
  const all = unbounded(request({ number: everything, follow: true }));
  assert.deepEqual(partsOf(all), [{ kind: "follow", limit: 0 }]);
  assert.deepEqual(all.since, timestampFromNs(0n));
});

test("all since a time, and the first of all, are asked for as they are", () => {
  for (const fields of [{ since: timestampFromNs(5n) }, { first: true }]) {
    const asked = request({ number: everything, ...fields });
    assert.equal(unbounded(asked), asked);
    assert.equal(partsOf(asked)[0]?.kind, "inOrder");
  }
});

test("the newest are as many as fit into memory", () => {
  assert.deepEqual(partsOf(request({ number: 20n })), [{ kind: "newest", limit: 20 }]);
  assert.throws(() => partsOf(request({ number: 1_000_001n })), /1000000 can be had/);
});
