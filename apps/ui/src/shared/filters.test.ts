import assert from "node:assert/strict";
import { test } from "node:test";
import { filterFlags } from "../../../hubble/src/filters/flags.ts";
import { durationMs, filterWords, filtersOf, hubbleCommand, timeMs } from "./filters.ts";

test("every word is a flag of hubble observe", () => {
  const flags = new Set(filterFlags.map(({ name }) => name));
  assert.deepEqual(
    filterWords.map(({ name }) => name).filter((name) => !flags.has(name)),
    [],
  );
});

test("a URL's filters are read in order, other parameters passed over", () => {
  const query = new URLSearchParams(
    "pod=shop/web&since=5m&not.port=53&pod=a&verdict=&node=x&nonsense=1",
  );
  assert.deepEqual(filtersOf(query), [
    { word: "pod", value: "shop/web", not: false },
    { word: "port", value: "53", not: true },
    { word: "pod", value: "a", not: false },
  ]);
});

test("filters are written as a command line that a shell reads as meant", () => {
  const filters = filtersOf(
    new URLSearchParams(
      "namespace=shop&not.port=53&reply=false&encrypted=false&cel-expression=_flow.uuid == 'a'",
    ),
  );
  assert.equal(
    hubbleCommand(filters, { since: "5m", follow: true }),
    `hubble observe --namespace shop --not --port 53 --not --reply --unencrypted --cel-expression '_flow.uuid == '\\''a'\\''' --since 5m --follow`,
  );
});

for (const [text, expected] of [
  ["5m", 300_000],
  ["1h30m", 5_400_000],
  ["250ms", 250],
  ["1.5s", 1_500],
  ["2d", 172_800_000],
  ["", undefined],
  ["5", undefined],
  ["m", undefined],
  ["-5m", undefined],
] as const) {
  test(`the duration "${text}" is ${expected} ms`, () => assert.equal(durationMs(text), expected));
}

test("a time is so long ago, now, or a date", () => {
  const now = 1_790_000_000_000;
  assert.equal(timeMs("1m", now), now - 60_000);
  assert.equal(timeMs("now", now), now);
  assert.equal(timeMs("2026-11-26T10:00:00Z", now), Date.UTC(2026, 10, 26, 10));
  assert.equal(timeMs("yesterday", now), undefined);
});
