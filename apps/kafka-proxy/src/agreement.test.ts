// What the proxy decides is what `policy explain` and policy tests say it does: two implementations, asked the same.
import assert from "node:assert/strict";
import { test } from "node:test";
import { decide, type JudgedRequest } from "@tsilium/kafka";
import { decideKafka } from "@tsilium/policy";
import type { KafkaRule } from "@tsilium/policy/model.ts";
import { type Random, repeat } from "@tsilium/testkit";
import { ruleSetOf } from "./testing/rules.ts";

const keys = [0, 1, 3, 18];
const names = ["orders", "audit", "orders.dead"];
const clients = ["me", "you"];

const maybe = <T>(random: Random, value: T): T | undefined =>
  random.chance(0.5) ? value : undefined;

function someRule(random: Random): Partial<KafkaRule> {
  return {
    apiKeys: maybe(
      random,
      keys.filter(() => random.chance(0.5)),
    ),
    apiVersion: random.chance(0.2) ? random.below(3) : undefined,
    clientId: random.chance(0.3) ? random.pick(clients) : undefined,
    topic: random.chance(0.7) ? random.pick(names) : undefined,
  };
}

function someTopics(random: Random): JudgedRequest["topics"] {
  const kind = random.pick(["none", "all", "named", "named", "named"] as const);
  if (kind !== "named") return { kind };
  const count = 1 + random.below(3);
  return { kind, names: Array.from({ length: count }, () => random.pick(names)) };
}

test("the proxy and policy's own tools decide alike, and name the same rule", () => {
  repeat({ runs: 3_000 }, (random) => {
    const rules = Array.from({ length: random.below(5) }, () => someRule(random));
    const ruleSet = ruleSetOf(rules, { audit: random.chance(0.2) });
    const apiKey = random.pick(keys);
    const apiVersion = random.below(3);
    const clientId = maybe(random, random.pick(clients));
    const topics = someTopics(random);
    const ours = decide(ruleSet, {
      header: { apiKey, apiVersion, clientId, correlationId: 1 },
      topics,
    });
    const theirs = decideKafka(ruleSet, {
      apiKey,
      apiVersion,
      clientId,
      topics:
        topics.kind === "named"
          ? (topics.names as string[])
          : topics.kind === "all"
            ? "all"
            : undefined,
    });
    assert.deepEqual(ours, { allowed: theirs.allowed && !theirs.audit, rule: theirs.rule });
  });
});
