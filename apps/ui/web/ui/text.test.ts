import assert from "node:assert/strict";
import { test } from "node:test";
import { age, plural, rate, short, visible } from "./text.ts";

for (const [text, expected] of [
  ["shop/web-1", "shop/web-1"],
  ["Größe ✓ 日本", "Größe ✓ 日本"],
  ["a\u0000b\u001b[31m", "a\\u{0}b\\u{1b}[31m"],
  ["evil\u202egnp.exe", "evil\\u{202e}gnp.exe"],
  ["zero\u200bwidth\ufeff", "zero\\u{200b}width\\u{feff}"],
  ["line\nbreak", "line\\u{a}break"],
  ["tag\u{e0041}", "tag\\u{e0041}"],
] as const) {
  test(`${JSON.stringify(text)} is shown as ${expected}`, () =>
    assert.equal(visible(text), expected));
}

test("numbers are short, and say what they count", () => {
  assert.deepEqual([0, 999, 1_234, 45_600, 7_890_000].map(short), [
    "0",
    "999",
    "1.2k",
    "46k",
    "7.9M",
  ]);
  assert.deepEqual([0, 0.01, 0.34, 9.96, 56.4, 1_200].map(rate), [
    "0",
    "<0.1",
    "0.3",
    "10",
    "56",
    "1.2k",
  ]);
  assert.deepEqual([5_000, 200_000, 8_000_000, 200_000_000].map(age), [
    "5 s",
    "3 min",
    "2 h",
    "2 d",
  ]);
  assert.deepEqual([plural(1, "flow"), plural(1_200, "flow")], ["1 flow", "1,200 flows"]);
});
