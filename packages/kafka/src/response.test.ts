import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { repeat } from "@tsilium/testkit";
import { readResponse } from "./response.ts";
import {
  all,
  array,
  compact,
  compactArray,
  idText,
  int16,
  int32,
  int64,
  int8,
  noTags,
  string,
  uuid,
  varint,
} from "./testing/bytes.ts";
import { recordedRequests } from "./testing/recorded.ts";

const to = (apiKey: number, apiVersion: number) => ({
  apiKey,
  apiVersion,
  correlationId: 7,
  clientId: undefined,
});

const broker = all(int32(1), compact("h"), int32(9092), compact(null), noTags);
const topic = (code: number, name: string | null, id: number, tags = noTags): Buffer =>
  all(
    all(int16(code), compact(name), uuid(id), int8(0)),
    compactArray(
      all(
        int16(0),
        int32(0),
        int32(1),
        int32(0),
        compactArray(int32(1)),
        compactArray(int32(1)),
        compactArray(),
        noTags,
      ),
    ),
    all(int32(0), tags),
  );
const metadata = (...topics: readonly Buffer[]): Buffer =>
  all(
    all(int32(7), noTags, int32(0), compactArray(broker), compact("c"), int32(1)),
    all(compactArray(...topics), noTags),
  );

describe("an answer", () => {
  test("of Metadata tells names of ids, and who the brokers are", () => {
    // A tagged field that is not known here is the broker's to send.
    const tagged = all(varint(1), varint(9), varint(2), int16(5));
    const bytes = metadata(topic(0, "a", 1), topic(0, "b", 2, tagged), topic(100, null, 3));
    const { topicNames, cluster, errorCode } = readResponse(bytes, bytes.length, to(3, 12));
    assert.deepEqual(
      [...topicNames],
      [
        [idText(1), "a"],
        [idText(2), "b"],
      ],
    );
    assert.deepEqual(cluster, {
      brokers: [{ nodeId: 1, host: "h", port: 9092, rack: null }],
      clusterId: "c",
      controllerId: 1,
    });
    assert.equal(errorCode, 100);
  });

  test("of Metadata that is not all there tells nothing", () => {
    const bytes = metadata(topic(0, "a", 1));
    const facts = readResponse(bytes.subarray(0, bytes.length - 9), bytes.length, to(3, 12));
    assert.equal(facts.topicNames.size, 0);
  });

  test("of Fetch tells its session and its first error, though its records are not kept", () => {
    const partition = all(
      int32(0),
      int16(1),
      int64(0),
      int64(0),
      int64(0),
      int32(-1),
      int32(-1),
      int32(100_000),
    );
    const bytes = all(
      all(int32(7), int32(0), int16(0), int32(4711)),
      array(all(string("a"), array(partition))),
    );
    const facts = readResponse(bytes, bytes.length + 100_000, to(1, 11));
    assert.deepEqual([facts.sessionId, facts.errorCode], [4711, 1]);
  });

  test("of an API that is not known tells nothing", () => {
    assert.equal(readResponse(Buffer.alloc(40), 40, to(999, 0)).errorCode, 0);
  });

  test("of ApiVersions has a header without tags in every version", () => {
    const bytes = all(int32(7), int16(35), int32(0));
    assert.equal(readResponse(bytes, bytes.length, to(18, 3)).errorCode, 35);
  });

  test("is never an error, whatever its bytes are", () => {
    const rows = recordedRequests().filter(({ denial }) => denial !== undefined);
    repeat({ runs: 2_000 }, (random) => {
      const { denial, apiKey, apiVersion } = random.pick(rows);
      const bytes = Buffer.from((denial as Buffer).subarray(4));
      for (let changes = random.below(4); changes >= 0; changes--)
        bytes[random.below(bytes.length)] = random.below(256);
      readResponse(
        bytes.subarray(0, random.below(bytes.length + 1)),
        bytes.length,
        to(apiKey, apiVersion),
      );
    });
  });
});
