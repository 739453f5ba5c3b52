import assert from "node:assert/strict";
import { test } from "node:test";
import { ClusterSchema } from "../gen/envoy/config/cluster/v3/cluster_pb.ts";
import { setOf } from "../testing/sets.ts";
import type { Kind } from "./kinds.ts";
import { type Request, Subscription } from "./subscription.ts";
import { versionOf } from "./version.ts";

const set = (...names: string[]) =>
  setOf(
    ClusterSchema,
    names.map((name) => ({ name })),
  );
const request = (rest: Partial<Request> = {}): Request => ({
  resourceNames: [],
  versionInfo: "",
  responseNonce: "",
  error: undefined,
  ...rest,
});

/** A subscription that was sent these under nonce n and version vn. */
function sent(kind: Kind, names: readonly string[], ...times: (readonly string[])[]) {
  const subscription = new Subscription(kind);
  subscription.hear(request({ resourceNames: names }));
  times.forEach((has, index) => {
    subscription.send({
      nonce: String(index + 1),
      version: `v${index + 1}`,
      resources: set(...has),
    });
  });
  return subscription;
}

const names = (subscription: Subscription, ...there: string[]) => [
  ...(subscription.wanted(set(...there))?.keys() ?? ["nothing"]),
];

test("who names nothing wants every cluster and listener, but no routes", () => {
  assert.deepEqual(names(sent("clusters", []), "a", "b"), ["a", "b"]);
  assert.deepEqual(names(sent("listeners", ["*"]), "a", "b"), ["a", "b"]);
  assert.deepEqual(names(sent("routes", []), "a", "b"), []);
  assert.deepEqual(names(new Subscription("clusters"), "a"), ["nothing"]);
});

test("who names some wants those; who names none after that wants none", () => {
  const subscription = sent("clusters", ["b", "c"], ["b"]);
  assert.deepEqual(names(subscription, "a", "b"), ["b"]);
  subscription.hear(request({ responseNonce: "1", versionInfo: "v1", resourceNames: [] }));
  assert.deepEqual(names(subscription, "a", "b"), []);
});

test("an answer is acknowledged by its nonce and version", () => {
  const subscription = sent("clusters", [], ["a"]);
  assert.equal(subscription.busy, true);
  const heard = subscription.hear(request({ responseNonce: "1", versionInfo: "v1" }));
  assert.equal(heard.kind, "ack");
  assert.equal(subscription.busy, false);
});

test("a request of before the last answer says nothing about it, and wants nothing", () => {
  const subscription = sent("routes", ["a"], ["a"], ["a"]);
  const heard = subscription.hear(
    request({ responseNonce: "1", versionInfo: "v1", resourceNames: ["b"] }),
  );
  assert.equal(heard.kind, "stale");
  assert.equal(subscription.busy, true);
  assert.deepEqual(names(subscription, "a", "b"), ["a"]);
});

test("a refusal tells its reason; another request on the old version is no acknowledgement", () => {
  const subscription = sent("routes", ["a"], ["a"]);
  const refused = subscription.hear(
    request({ responseNonce: "1", versionInfo: "v0", resourceNames: ["a"], error: "bad" }),
  );
  assert.deepEqual([refused.kind, refused.kind === "nack" && refused.reason], ["nack", "bad"]);
  const more = subscription.hear(
    request({ responseNonce: "1", versionInfo: "v0", resourceNames: ["a", "b"] }),
  );
  assert.equal(more.kind, "names");
  assert.deepEqual(names(subscription, "a", "b"), ["a", "b"]);
});

test("what was sent last is known by its bytes", () => {
  const subscription = sent("clusters", [], ["a", "b"]);
  assert(subscription.was(set("b", "a")));
  assert(!subscription.was(set("a")));
  assert(!subscription.was(set("a", "c")));
});

test("versions are of content, whatever its order", () => {
  assert.equal(versionOf(set("a", "b")), versionOf(set("b", "a")));
  assert.notEqual(versionOf(set("a", "b")), versionOf(set("ab")));
  assert.match(versionOf(set()), /^[0-9a-f]{16}$/);
});
