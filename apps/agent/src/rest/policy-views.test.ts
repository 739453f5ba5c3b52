import assert from "node:assert/strict";
import { test } from "node:test";
import type { Requirement, RuleName } from "@tsilium/policy/model.ts";
import { ruleText, selectorText } from "./policy-views.ts";

const web = { kind: "NetworkPolicy", namespace: "shop", name: "web" } as const;
const all = { kind: "ClusterNetworkPolicy", namespace: "", name: "all" } as const;

const rules: readonly (readonly [RuleName, string])[] = [
  [{ kind: "rule", ref: web, path: "spec.ingress[0]" }, "NetworkPolicy shop/web spec.ingress[0]"],
  [
    { kind: "default-deny", by: [web, all].map((ref) => ({ ref, path: "spec" })) },
    "default deny of NetworkPolicy shop/web, ClusterNetworkPolicy all",
  ],
  [{ kind: "builtin", reason: "allow-localhost" }, "allow-localhost"],
];
for (const [name, expected] of rules) {
  test(`a rule is called "${expected}"`, () => assert.equal(ruleText(name), expected));
}

const requirement = (operator: Requirement["operator"], ...values: string[]): Requirement => ({
  source: "k8s",
  key: "app",
  operator,
  values,
});
const selectors: readonly (readonly [readonly Requirement[], string])[] = [
  [[], "everybody"],
  [[requirement("In", "a")], "k8s:app=a"],
  [[requirement("In", "a", "b")], "k8s:app in (a, b)"],
  [[requirement("NotIn", "a"), requirement("Exists")], "k8s:app not in (a), k8s:app"],
  [[requirement("DoesNotExist")], "!k8s:app"],
];
for (const [selector, expected] of selectors) {
  test(`a selector is written "${expected}"`, () => assert.equal(selectorText(selector), expected));
}
