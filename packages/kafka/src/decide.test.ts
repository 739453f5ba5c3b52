import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { KafkaRule, KafkaRuleSet } from "@tsilium/policy/model.ts";
import { decide, namesTopics } from "./decide.ts";
import type { JudgedRequest } from "./model.ts";

const any = { apiKeys: undefined, apiVersion: undefined, clientId: undefined, topic: undefined };

function rules(...matches: readonly Partial<KafkaRule>[]): KafkaRuleSet {
  return {
    kind: "kafka",
    direction: "egress",
    audit: false,
    denyRule: 99,
    rules: matches.map((match, index) => ({ rule: index + 1, match: { ...any, ...match } })),
  };
}

type Asked = { key?: number; version?: number; client?: string };

function asks(
  topics: readonly (string | undefined)[] | "none" | "all" | "unknown",
  { key = 0, version = 7, client }: Asked = {},
): JudgedRequest {
  return {
    header: { apiKey: key, apiVersion: version, correlationId: 1, clientId: client },
    topics: typeof topics === "string" ? { kind: topics } : { kind: "named", names: topics },
  };
}

describe("a rule set", () => {
  const orders = rules({ topic: "orders" });
  const two = rules({ topic: "orders" }, { topic: "audit" });
  const produce = { apiKeys: [0, 3, 18], topic: "orders" };
  const rows: readonly (readonly [string, KafkaRuleSet, JudgedRequest, number])[] = [
    ["without rules denies everything", rules(), asks("none"), 99],
    ["with an empty rule allows everything", rules({}), asks("unknown"), 1],
    ["with a topic allows that topic", orders, asks(["orders"]), 1],
    ["with a topic denies another one", orders, asks(["audit"]), 99],
    ["with a topic denies the same one in capitals", orders, asks(["Orders"]), 99],
    ["with a topic denies what is partly another one", orders, asks(["orders", "audit"]), 99],
    ["with both topics allows both", two, asks(["orders", "audit"]), 1],
    ["with both topics tells the first one's rule", two, asks(["audit", "orders"]), 2],
    ["with a topic denies an id that has no name", orders, asks([undefined]), 99],
    ["with a topic allows requests that name none", orders, asks("none"), 1],
    ["with a topic denies requests about all topics", orders, asks("all"), 99],
    ["with a topic denies what is not understood", orders, asks("unknown"), 99],
    ["without a topic allows what is not understood", rules({ apiKeys: [0] }), asks("unknown"), 1],
    ["denies other APIs", rules(produce), asks(["orders"], { key: 1 }), 99],
    ["denies other APIs without topics", rules(produce), asks("none", { key: 11 }), 99],
    ["allows an API's version", rules({ apiVersion: 7 }), asks(["a"]), 1],
    ["denies an API's other version", rules({ apiVersion: 8 }), asks(["a"]), 99],
    ["allows version 0", rules({ apiVersion: 0 }), asks(["a"], { version: 0 }), 1],
    ["allows a client", rules({ clientId: "me" }), asks(["a"], { client: "me" }), 1],
    ["denies another client", rules({ clientId: "me" }), asks(["a"], { client: "you" }), 99],
    ["denies a client without an id", rules({ clientId: "me" }), asks(["a"]), 99],
    [
      "asks each topic's rule for the rest, too",
      rules({ topic: "orders" }, { topic: "audit", clientId: "auditor" }),
      asks(["orders", "audit"], { client: "me" }),
      99,
    ],
    [
      "allows a client everything that another may only do with a topic",
      rules({ topic: "orders" }, { clientId: "admin" }),
      asks("all", { client: "admin" }),
      2,
    ],
    [
      "unites a topic's rule with one for all topics",
      rules({ topic: "orders" }, { clientId: "admin" }),
      asks(["orders", "audit"], { client: "admin" }),
      1,
    ],
    [
      "denies SaslHandshake 0 whatever it says",
      rules({}),
      asks("unknown", { key: 17, version: 0 }),
      99,
    ],
    ["allows SaslHandshake 1", rules({}), asks("none", { key: 17, version: 1 }), 1],
  ];
  for (const [name, ruleSet, request, rule] of rows)
    test(name, () => assert.deepEqual(decide(ruleSet, request), { allowed: rule !== 99, rule }));

  test("says whether it names topics", () => {
    assert.equal(namesTopics(rules({}, { topic: "a" })), true);
    assert.equal(namesTopics(rules({ clientId: "a" })), false);
  });
});
