import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { repeat } from "@tsilium/testkit";
import type { Topics } from "./model.ts";
import { MalformedError } from "./protocol/error.ts";
import { parseHeader, parseRequest, type Request } from "./request.ts";
import {
  all,
  array,
  compact,
  compactArray,
  compactBytes,
  fetch12,
  fetch13,
  flexible,
  int16,
  int32,
  int64,
  int8,
  metadata12,
  noTags,
  produce9,
  request,
  string,
  uuid,
  varint,
} from "./testing/bytes.ts";
import { recordedRequests } from "./testing/recorded.ts";

function parsed(message: Buffer): Request {
  const result = parseRequest(message, message.length);
  assert.ok("request" in result, Object.keys(result).join());
  return result.request;
}

function show(topics: Topics): string {
  if (topics.kind !== "named") return topics.kind;
  return topics.topics
    .map((topic) => ("name" in topic ? topic.name : `id${topic.id.slice(-1)}`))
    .join(",");
}

const ints = (...values: number[]): Buffer => array(...values.map(int32));
const compactInts = (...values: number[]): Buffer => compactArray(...values.map(int32));

describe("requests", () => {
  test("of every version that other implementations encode name the topics that they were made for", () => {
    const rows = recordedRequests();
    assert.ok(rows.length > 200);
    for (const { by, apiKey, apiVersion, request: message, topics } of rows) {
      const name = `${by} ${apiKey} v${apiVersion}`;
      const { header, topics: found } = parsed(message);
      const correlationId = by === "kafkajs" ? 5 : 77;
      assert.deepEqual(header, { apiKey, apiVersion, correlationId, clientId: "me" }, name);
      assert.equal(show(found), topics, name);
    }
  });

  const partition = all(int32(3), compactBytes(Buffer.from("records")), noTags);
  const committed = all(int32(3), int64(9), int32(-1), compact(null), noTags);
  /** Versions that those implementations do not have, and cases of their own. */
  const rows: readonly (readonly [string, Buffer, string])[] = [
    [
      "Produce 13 has ids",
      flexible(
        [0, 13],
        all(
          compact(null),
          int16(1),
          int32(0),
          compactArray(all(uuid(1), compactArray(partition), noTags)),
          noTags,
        ),
      ),
      "id1",
    ],
    [
      "Produce 0 with null records",
      request(
        [0, 0],
        all(int16(1), int32(0), array(all(string("a"), array(all(int32(0), int32(-1)))))),
      ),
      "a",
    ],
    ["Metadata 0 without topics is about all", request([3, 0], array()), "all"],
    ["Metadata 1 with an empty list is about none", request([3, 1], array()), "none"],
    ["Metadata 1 with null is about all", request([3, 1], int32(-1)), "all"],
    ["Metadata 12 with null is about all", metadata12(null), "all"],
    ["Metadata 12 by name and by id", metadata12(["a", 2]), "a,id2"],
    [
      "Metadata 12 with a name and an id is about both",
      flexible(
        [3, 12],
        all(compactArray(all(uuid(4), compact("a"), noTags)), int8(0), int8(0), noTags),
      ),
      "a,id4",
    ],
    [
      "DeleteTopics 6 with a name and an id is about both",
      flexible([20, 6], all(compactArray(all(compact("a"), uuid(4), noTags)), int32(0), noTags)),
      "a,id4",
    ],
    [
      "OffsetCommit 10 has ids",
      flexible(
        [8, 10],
        all(
          compact("g"),
          int32(1),
          compact("m"),
          compact(null),
          compactArray(all(uuid(2), compactArray(committed), noTags)),
          noTags,
        ),
      ),
      "id2",
    ],
    [
      "OffsetFetch 10 has ids",
      flexible(
        [9, 10],
        all(
          compactArray(
            all(
              compact("g"),
              compact(null),
              int32(-1),
              compactArray(all(uuid(5), compactInts(0), noTags)),
              noTags,
            ),
          ),
          int8(0),
          noTags,
        ),
      ),
      "id5",
    ],
    [
      "OffsetFetch 8: one group with all topics is about all",
      flexible(
        [9, 8],
        all(
          compactArray(
            all(compact("g"), compactArray(all(compact("a"), compactInts(0), noTags)), noTags),
            all(compact("h"), varint(0), noTags),
          ),
          int8(0),
          noTags,
        ),
      ),
      "all",
    ],
    ["OffsetFetch 2 with null is about all", request([9, 2], all(string("g"), int32(-1))), "all"],
    [
      "AddPartitionsToTxn 3",
      flexible(
        [24, 3],
        all(
          compact("t"),
          int64(1),
          int16(1),
          compactArray(all(compact("a"), compactInts(1), noTags)),
          noTags,
        ),
      ),
      "a",
    ],
    ["ElectLeaders 0", request([43, 0], all(array(all(string("a"), ints(1))), int32(0))), "a"],
    [
      "ElectLeaders 1 with null is about all",
      request([43, 1], all(int8(0), int32(-1), int32(0))),
      "all",
    ],
    [
      "ElectLeaders 2",
      flexible(
        [43, 2],
        all(int8(0), compactArray(all(compact("a"), compactInts(1), noTags)), int32(0), noTags),
      ),
      "a",
    ],
    ["DescribeLogDirs 0 with null is about all", request([35, 0], int32(-1)), "all"],
    [
      "DescribeConfigs of a broker is about no topic",
      request([32, 0], array(all(int8(4), string("1"), int32(-1)))),
      "none",
    ],
    [
      "ConsumerGroupHeartbeat 1 with a regular expression is about all",
      flexible(
        [68, 1],
        all(
          compact("g"),
          compact("m"),
          int32(0),
          compact(null),
          compact(null),
          int32(0),
          varint(0),
          compact("a.*"),
          compact(null),
          varint(0),
          noTags,
        ),
      ),
      "all",
    ],
    [
      "DescribeTopicPartitions without topics is about all",
      flexible([75, 0], all(compactArray(), int32(9), int8(-1), noTags)),
      "all",
    ],
    [
      "DescribeTopicPartitions with a cursor names its topic",
      flexible(
        [75, 0],
        all(
          compactArray(all(compact("a"), noTags)),
          int32(9),
          int8(1),
          compact("b"),
          int32(0),
          noTags,
          noTags,
        ),
      ),
      "a,b",
    ],
    [
      "ShareGroupHeartbeat",
      flexible(
        [76, 1],
        all(
          compact("g"),
          compact("m"),
          int32(0),
          compact(null),
          compactArray(compact("a"), compact("b")),
          noTags,
        ),
      ),
      "a,b",
    ],
    ["Fetch of a session names what changes", fetch12([], { id: 4, epoch: 2 }), "none"],
    [
      "a null client id",
      request([12, 0], all(string("g"), int32(1), string("m")), { clientId: null }),
      "none",
    ],
    [
      "ApiVersions of a version of tomorrow",
      flexible([18, 99], all(compact("x"), compact("1"), noTags)),
      "none",
    ],
    [
      "SaslHandshake 0, after which there are no requests",
      request([17, 0], string("PLAIN")),
      "unknown",
    ],
    ["an API that is not known", request([999, 0], Buffer.alloc(0)), "unknown"],
    ["a version that is not known", request([0, 99], Buffer.alloc(20)), "unknown"],
    ["a version below zero", request([0, -1], Buffer.alloc(20)), "unknown"],
    [
      "a request in a request (Envelope)",
      flexible([58, 0], all(compactBytes(Buffer.alloc(9)), noTags)),
      "unknown",
    ],
    ["LeaderAndIsr of another broker", request([4, 0], Buffer.alloc(20)), "unknown"],
    ["CreateAcls", request([30, 0], array()), "unknown"],
  ];
  for (const [name, message, topics] of rows)
    test(name, () => assert.equal(show(parsed(message).topics), topics));

  test("ControlledShutdown 0 has no client id", () => {
    const message = all(int16(7), int16(0), int32(3), int32(1));
    assert.deepEqual(parseHeader(message, message.length), {
      apiKey: 7,
      apiVersion: 0,
      correlationId: 3,
      clientId: undefined,
    });
  });
});

describe("requests that try to be read differently by the broker", () => {
  const topic = all(compact("a"), compactArray(), noTags);
  const fetchHead = all(int32(100), int32(1), int32(1024), int8(0), int32(0), int32(-1));
  const partitionOf = (tags: Buffer): Buffer =>
    all(int32(0), int32(-1), int64(0), int32(-1), int64(-1), int32(1024), tags);
  const fetch17 = (tags: Buffer, end: Buffer = noTags): Buffer =>
    flexible(
      [1, 17],
      all(
        fetchHead,
        compactArray(all(uuid(1), compactArray(partitionOf(tags)), noTags)),
        compactArray(),
        compact(""),
        end,
      ),
    );
  const rows: readonly (readonly [string, Buffer, string])[] = [
    ["a tag of a follower is read", fetch17(all(varint(1), varint(0), varint(16), uuid(9))), "id1"],
    [
      "a tag that is shorter than its type",
      fetch17(all(varint(1), varint(0), varint(0), uuid(9))),
      "unknown",
    ],
    [
      "a tag that is longer than its type",
      fetch17(all(varint(1), varint(0), varint(17), uuid(9), int8(0))),
      "unknown",
    ],
    ["a tag that is not known", fetch17(all(varint(1), varint(7), varint(1), int8(0))), "unknown"],
    [
      "the cluster's id, tagged",
      fetch17(noTags, all(varint(1), varint(0), varint(3), compact("ab"))),
      "id1",
    ],
    [
      "a tag in the header",
      request(
        [3, 9],
        all(varint(1), varint(0), varint(0), compactArray(), int8(0), int8(0), int8(0), noTags),
      ),
      "unknown",
    ],
    ["bytes behind the last field", all(fetch12(["a"], { id: 0, epoch: -1 }), int8(0)), "unknown"],
    ["a length below -1", request([3, 1], int32(-2)), "unknown"],
    ["null where there is none", request([2, 1], all(int32(-1), int32(-1))), "unknown"],
    ["a null name", request([2, 1], all(int32(-1), array(all(string(null), array())))), "unknown"],
    [
      "Metadata with neither name nor id",
      flexible(
        [3, 12],
        all(compactArray(all(Buffer.alloc(16), compact(null), noTags)), int8(0), int8(0), noTags),
      ),
      "unknown",
    ],
    ["more topics than there are bytes", request([3, 1], int32(0x7fff_ffff)), "unknown"],
    ["a varint without end", request([3, 9], Buffer.alloc(20, 0xff)), "unknown"],
    [
      "a varint of 32 bits",
      flexible([3, 9], all(Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f]), topic)),
      "unknown",
    ],
    [
      "a million empty topics",
      flexible([20, 4], all(varint(1_000_001), Buffer.alloc(1_000_000, 1), int32(0), noTags)),
      "unknown",
    ],
    [
      "an invalid character is no other one",
      request([3, 1], all(array(all(int16(1), Buffer.from([0xe9]))))),
      "\ufffd",
    ],
  ];
  for (const [name, message, topics] of rows)
    test(name, () => assert.equal(show(parsed(message).topics), topics));

  test("what has no header is malformed", () => {
    for (const message of [
      Buffer.alloc(0),
      Buffer.alloc(7),
      all(int32(0), int32(1), int16(5)),
      all(int32(0), int32(1), int16(-2)),
    ])
      assert.throws(() => parseRequest(message, message.length), MalformedError);
  });
});

describe("the beginning of a request", () => {
  test("of Produce is enough once its last topic was named", () => {
    const message = produce9([["a", 100_000]]);
    const result = parseRequest(message.subarray(0, 60), message.length);
    assert.ok("request" in result);
    assert.equal(show(result.request.topics), "a");
    assert.equal(result.request.body, undefined);
    assert.equal(result.request.expectsResponse, true);
  });

  test("of Produce is not enough while another topic may come", () => {
    const message = produce9([
      ["a", 100_000],
      ["b", 10],
    ]);
    const result = parseRequest(message.subarray(0, 60), message.length);
    assert.ok("needs" in result && result.needs > 100_000);
    const later = parseRequest(message.subarray(0, message.length - 4), message.length);
    assert.equal("request" in later && show(later.request.topics), "a,b");
  });

  test("with acks=0 says that nobody answers", () => {
    const message = produce9([["a", 100_000]], { acks: 0 });
    const result = parseRequest(message.subarray(0, 60), message.length);
    assert.equal("request" in result && result.request.expectsResponse, false);
  });

  test("of anything else says how much more it takes", () => {
    const message = fetch13([1, 2]);
    for (let length = 0; length < message.length; length++) {
      const result = parseRequest(message.subarray(0, length), message.length);
      assert.ok("needs" in result && result.needs > length && result.needs <= message.length);
    }
  });
});

describe("damaged requests", () => {
  test("are unknown or malformed, never another error, whatever byte is changed", () => {
    const rows = recordedRequests();
    repeat({ runs: 3_000 }, (random) => {
      const message = Buffer.from(random.pick(rows).request);
      for (let changes = random.below(4); changes >= 0; changes--)
        message[random.below(message.length)] = random.below(256);
      const length = random.chance(0.2) ? random.below(message.length + 50) : message.length;
      const there = message.subarray(0, Math.min(length, random.below(message.length + 1)));
      try {
        const result = parseRequest(
          random.chance(0.5) ? there : message.subarray(0, length),
          length,
        );
        if ("needs" in result) assert.ok(result.needs <= length);
      } catch (error) {
        assert.ok(error instanceof MalformedError, String(error));
      }
    });
  });

  test("are so for random bytes too", () => {
    repeat({ runs: 2_000 }, (random) => {
      const body = Buffer.from(random.bytes(random.below(80)));
      const message = request([random.below(93), random.below(14)], body);
      const { topics } = parsed(message);
      assert.ok(topics.kind.length > 0);
    });
  });

  test("a beginning never names fewer topics than the whole", () => {
    const rows = recordedRequests();
    repeat({ runs: 1_000 }, (random) => {
      const { request: message, topics } = random.pick(rows);
      const result = parseRequest(
        message.subarray(0, random.below(message.length)),
        message.length,
      );
      if ("request" in result) assert.equal(show(result.request.topics), topics);
    });
  });
});
