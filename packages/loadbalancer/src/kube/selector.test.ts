// Label selectors, as objects and as text.
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseNodeSelector } from "./node-selector.ts";
import { parseSelector } from "./selector.ts";

const labels = { app: "web", tier: "front", empty: "" };

const texts: readonly (readonly [string, boolean | undefined])[] = [
  ["", true],
  ["app=web", true],
  ["app==web, tier!=back", true],
  ["app!=web", false],
  ["other!=web", true],
  ["app in (api, web)", true],
  ["app notin (api,web)", false],
  ["other notin (a)", true],
  ["app", true],
  ["!app", false],
  ["!other,app", true],
  ["empty=", true],
  ["constructor", false],
  ["app in web", undefined],
  ["=web", undefined],
  ["app=web,,tier", undefined],
  ["a".repeat(5000), undefined],
];

for (const [text, selected] of texts)
  test(`as text: ${text.slice(0, 40)}`, () => {
    assert.equal(parseNodeSelector(text)?.(labels), selected);
  });

const expression = (key: string, operator: string, values?: unknown) => ({
  matchExpressions: [{ key, operator, values }],
});

const objects: readonly (readonly [unknown, boolean | undefined])[] = [
  [{}, true],
  [{ matchLabels: { app: "web", tier: "front" } }, true],
  [{ matchLabels: { app: "api" } }, false],
  [expression("app", "In", ["api", "web"]), true],
  [expression("app", "NotIn", ["web"]), false],
  [expression("other", "NotIn", ["web"]), true],
  [expression("app", "Exists"), true],
  [expression("app", "DoesNotExist"), false],
  [expression("toString", "Exists"), false],
  [expression("app", "Near", ["web"]), undefined],
  [{ matchLabels: { app: 7 } }, undefined],
  [undefined, undefined],
  [null, undefined],
  [[], undefined],
];

for (const [selector, selected] of objects)
  test(`as object: ${JSON.stringify(selector)}`, () => {
    assert.equal(parseSelector(selector)?.(labels), selected);
  });
