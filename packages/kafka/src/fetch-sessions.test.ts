import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { FetchSessions } from "./fetch-sessions.ts";
import { headerOnly, parseRequest, type Request } from "./request.ts";
import { fetch12, produce9 } from "./testing/bytes.ts";

function fetch(topics: readonly string[], id: number, epoch: number): Request {
  const message = fetch12(topics, { id, epoch });
  const result = parseRequest(message, message.length);
  assert.ok("request" in result);
  return result.request;
}

describe("a fetch session", () => {
  test("begins with the answer to a fetch of epoch 0, and goes on with its topics", () => {
    const sessions = new FetchSessions();
    const first = fetch(["a", "b"], 0, 0);
    assert.deepEqual(sessions.stepOf(first), { kind: "full", begins: true });
    sessions.begin(5, first);
    const topics = [{ name: "a" }, { name: "b" }];
    assert.deepEqual(sessions.stepOf(fetch([], 5, 1)), { kind: "incremental", topics });
  });

  test("remembers what is added to it", () => {
    const sessions = new FetchSessions();
    sessions.begin(5, fetch(["a"], 0, 0));
    sessions.pass(fetch(["b"], 5, 1));
    const topics = [{ name: "a" }, { name: "b" }];
    assert.deepEqual(sessions.stepOf(fetch([], 5, 2)), { kind: "incremental", topics });
  });

  test("is unknown once a Fetch went on that was not read: it may have added anything", () => {
    const sessions = new FetchSessions();
    sessions.begin(5, fetch(["a"], 0, 0));
    const { header } = fetch(["b"], 5, 1);
    sessions.pass(headerOnly(header));
    assert.deepEqual(sessions.stepOf(fetch([], 5, 2)), { kind: "unknown" });
  });

  test("of another connection is unknown", () => {
    assert.deepEqual(new FetchSessions().stepOf(fetch([], 5, 1)), { kind: "unknown" });
  });

  test("is none in a fetch of epoch -1, nor where the broker gave no id", () => {
    const sessions = new FetchSessions();
    assert.deepEqual(sessions.stepOf(fetch(["a"], 5, -1)), { kind: "full", begins: false });
    sessions.begin(0, fetch(["a"], 0, 0));
    assert.deepEqual(sessions.stepOf(fetch([], 3, 1)), { kind: "unknown" });
  });

  test("is forgotten when there are many: the client begins another", () => {
    const sessions = new FetchSessions();
    for (let id = 1; id <= 9; id++) sessions.begin(id, fetch(["a"], 0, 0));
    assert.deepEqual(sessions.stepOf(fetch([], 1, 1)), { kind: "unknown" });
    assert.equal(sessions.stepOf(fetch([], 9, 1))?.kind, "incremental");
  });

  test("is nothing to other requests", () => {
    const message = produce9([["a", 1]]);
    const result = parseRequest(message, message.length);
    assert.ok("request" in result);
    assert.equal(new FetchSessions().stepOf(result.request), undefined);
  });
});
