import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { compileDnsPattern } from "@tsilium/net";
import type { DnsRule, DnsRuleSet } from "@tsilium/policy/model.ts";
import { repeat } from "@tsilium/testkit";
import { allowAll, compileDnsRules, denyAll } from "./rules.ts";

const ruleSet = (rules: readonly DnsRule[], audit = false): DnsRuleSet => ({
  kind: "dns",
  direction: "egress",
  audit,
  denyRule: 99,
  rules: rules.map((match, index) => ({ rule: 10 + index, match })),
});

describe("DNS rules", () => {
  test("name the first rule that lets a name through, and the one that denies", () => {
    const decide = compileDnsRules(
      ruleSet([
        { matchName: "API.example.com." },
        { matchPattern: "*.example.com" },
        { matchName: "web.example.com" },
        { matchName: "api.example.com" },
      ]),
    );
    const cases = [
      ["api.example.com", "forwarded", 10],
      ["web.example.com", "forwarded", 11],
      ["example.com", "denied", 99],
      // Once more: what is remembered is the same.
      ["web.example.com", "forwarded", 11],
      ["example.com", "denied", 99],
    ] as const;
    for (const [name, verdict, rule] of cases) assert.deepEqual(decide(name), { verdict, rule });
  });

  test("of an audit let through what they would deny", () => {
    const decide = compileDnsRules(ruleSet([{ matchName: "a.b" }], true));
    assert.deepEqual(decide("a.b"), { verdict: "forwarded", rule: 10 });
    assert.deepEqual(decide("c.d"), { verdict: "audit", rule: 99 });
  });

  test("that are none deny; without rules to hold, all goes", () => {
    assert.equal(compileDnsRules(ruleSet([]))("a.b").verdict, "denied");
    assert.equal(compileDnsRules(ruleSet([{}]))("a.b").verdict, "denied");
    assert.equal(denyAll("a.b").verdict, "denied");
    assert.equal(allowAll("a.b").verdict, "forwarded");
  });

  test("agree with trying one rule after the other", () => {
    repeat({ runs: 300 }, (random) => {
      const label = () => random.pick(["a", "b", "*", "a*", "ab"]);
      const rules = Array.from({ length: random.below(6) }, (): DnsRule => {
        const text = `${random.pick(["", "", "**."])}${label()}.${label()}`;
        return random.chance(0.5)
          ? { matchPattern: text }
          : { matchName: text.replaceAll("*", "b") };
      });
      const decide = compileDnsRules(ruleSet(rules));
      for (const name of ["a.a", "a.b", "ab.a", "a.ab.b", "b.b", "c.a"]) {
        const index = rules.findIndex((rule) => compileDnsPattern(rule)(name));
        assert.equal(decide(name).rule, index < 0 ? 99 : 10 + index);
      }
    });
  });
});
