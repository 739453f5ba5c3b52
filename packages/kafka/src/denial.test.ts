import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { repeat } from "@tsilium/testkit";
import { denialOf, type DenialOptions, sessionNotFound } from "./denial.ts";
import { parseRequest, type Request } from "./request.ts";
import { readResponse } from "./response.ts";
import {
  all,
  compact,
  compactArray,
  fetch12,
  fetch13,
  flexible,
  framed,
  idText,
  int16,
  int32,
  int64,
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
  assert.ok("request" in result);
  return result.request;
}

const denied = (message: Buffer, options?: DenialOptions): string | undefined =>
  denialOf(parsed(message), options)?.toString("hex");
const hex = (message: Buffer): string => framed(message).toString("hex");

describe("a denial", () => {
  test("of every version that other implementations have is what they read as the error", () => {
    for (const { by, apiKey, apiVersion, request: message, denial } of recordedRequests())
      assert.equal(denied(message), denial?.toString("hex"), `${by} ${apiKey} v${apiVersion}`);
  });

  test("is read as an error here, too, wherever its version has a place for one", () => {
    for (const { by, apiKey, apiVersion, request: message, denial } of recordedRequests()) {
      if (!denial) continue;
      const { errorCode } = readResponse(
        denial.subarray(4),
        denial.length - 4,
        parsed(message).header,
      );
      assert.ok(
        [29, 30, 31, 53].includes(errorCode),
        `${by} ${apiKey} v${apiVersion}: ${errorCode}`,
      );
    }
  });

  test("names every partition of every topic", () => {
    const partition = (index: number) =>
      all(
        int32(index),
        int16(29),
        int64(-1),
        int64(-1),
        int64(-1),
        compactArray(),
        compact(null),
        noTags,
      );
    assert.equal(
      denied(
        produce9([
          ["a", 3],
          ["b", 3],
        ]),
      ),
      hex(
        all(
          int32(7),
          noTags,
          compactArray(
            all(compact("a"), compactArray(partition(0)), noTags),
            all(compact("b"), compactArray(partition(0)), noTags),
          ),
          int32(0),
          noTags,
        ),
      ),
    );
  });

  test("says of an id that no topic has that it is not known, of others that they are denied", () => {
    const partition = (code: number) =>
      all(
        int32(0),
        int16(code),
        int64(-1),
        int64(-1),
        int64(-1),
        varint(0),
        int32(-1),
        varint(1),
        noTags,
      );
    assert.equal(
      denied(fetch13([1, 2]), { unknownIds: new Set([idText(2)]) }),
      hex(
        all(
          int32(7),
          noTags,
          int32(0),
          int16(0),
          int32(0),
          compactArray(
            all(uuid(1), compactArray(partition(29)), noTags),
            all(uuid(2), compactArray(partition(100)), noTags),
          ),
          noTags,
        ),
      ),
    );
  });

  test("of Metadata tells the brokers where they are known", () => {
    const brokers = [{ nodeId: 1, host: "h", port: 9092, rack: null }];
    const cluster = { brokers, clusterId: "c", controllerId: 1 };
    const topic = all(int16(29), compact("a"), Buffer.alloc(16), varint(0), compactArray());
    assert.equal(
      denied(metadata12(["a"]), { cluster }),
      hex(
        all(
          int32(7),
          noTags,
          int32(0),
          compactArray(all(int32(1), compact("h"), int32(9092), compact(null), noTags)),
          compact("c"),
          int32(1),
          compactArray(all(topic, int32(-(2 ** 31)), noTags)),
          noTags,
        ),
      ),
    );
  });

  test("of Metadata about all topics has none", () => {
    const body = all(int32(7), noTags, int32(0), compactArray(), compact(null), int32(-1));
    assert.equal(denied(metadata12(null)), hex(all(body, compactArray(), noTags)));
  });

  test("of Produce with acks=0 is none", () => {
    assert.equal(denied(produce9([["a", 3]], { acks: 0 })), undefined);
  });

  test("of a request that was not read to its end is none", () => {
    const message = produce9([["a", 1000]]);
    const result = parseRequest(message.subarray(0, 100), message.length);
    assert.ok("request" in result);
    assert.equal(denialOf(result.request), undefined);
  });

  test("of what is not known is none", () => {
    assert.equal(denied(request([999, 0], Buffer.alloc(4))), undefined);
    assert.equal(denied(request([0, 99], Buffer.alloc(4))), undefined);
  });

  test("of ApiVersions of tomorrow has the oldest shape and says so, as brokers do", () => {
    const message = flexible([18, 9], all(compact("x"), compact("1"), noTags));
    assert.equal(denied(message), hex(all(int32(7), int16(35), int32(0))));
  });

  test("of a group's request is the group's error", () => {
    const message = request([12, 0], all(string("g"), int32(1), string("m")));
    assert.equal(denied(message), hex(all(int32(7), int16(30))));
  });

  test("of a whole group's offsets is the group's error", () => {
    const message = flexible(
      [9, 8],
      all(compactArray(all(compact("g"), varint(0), noTags)), Buffer.alloc(1), noTags),
    );
    const group = all(compact("g"), compactArray(), int16(30), noTags);
    assert.equal(
      denied(message),
      hex(all(int32(7), noTags, int32(0), compactArray(group), noTags)),
    );
  });

  test("of an unknown fetch session lets the client begin another", () => {
    const answer = sessionNotFound(parsed(fetch12([], { id: 4, epoch: 2 })));
    const body = all(int32(7), noTags, int32(0), int16(70), int32(0), compactArray(), noTags);
    assert.equal(answer?.toString("hex"), hex(body));
  });

  test("can be made, or not, of every damaged request", () => {
    const rows = recordedRequests();
    repeat({ runs: 2_000 }, (random) => {
      const message = Buffer.from(random.pick(rows).request);
      message[8 + random.below(message.length - 8)] = random.below(256);
      let result;
      try {
        result = parseRequest(message, message.length);
      } catch {
        return;
      }
      assert.ok("request" in result);
      const denial = denialOf(result.request);
      if (denial) assert.equal(denial.readInt32BE(0), denial.length - 4);
    });
  });
});
