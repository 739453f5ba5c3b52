import assert from "node:assert/strict";
import { test } from "node:test";
import { rawFilters } from "./raw-filters.ts";
import { eventsRequest, flowsRequest, type RequestJson, type Selectors } from "./request.ts";

const nowNs = 1_764_151_200_000_000_000n; // 2025-11-26T10:00:00Z
const nothing = { allowlist: [], denylist: [] };

const rows: readonly (readonly [string, Selectors, RequestJson])[] = [
  ["by itself: the last 20", {}, { number: "20" }],
  ["--last", { last: 7n }, { number: "7" }],
  ["--first", { first: 7n }, { number: "7", first: true }],
  ["--all", { all: true }, { number: "18446744073709551615" }],
  ["--follow: from now on", { follow: true }, { follow: true }],
  ["--follow --last", { follow: true, last: 5n }, { number: "5", follow: true }],
  ["--since: all since then", { since: "1h" }, { since: "2025-11-26T09:00:00Z" }],
  ["--since --last", { since: "1h", last: 5n }, { number: "5", since: "2025-11-26T09:00:00Z" }],
  [
    "--since --until --first",
    { since: "1h", until: "2025-11-26T09:59Z", first: 2n },
    { number: "2", first: true, since: "2025-11-26T09:00:00Z", until: "2025-11-26T09:59:00Z" },
  ],
  ["--until means nothing to what is followed", { follow: true, until: "1h" }, { follow: true }],
  ["--all --since", { all: true, since: "1h" }, { since: "2025-11-26T09:00:00Z" }],
];

for (const [name, selectors, request] of rows) {
  test(`which flows: ${name}`, () => {
    assert.deepEqual(flowsRequest(selectors, nothing, { nowNs }), request);
    assert.deepEqual(eventsRequest(selectors, nowNs), request);
  });
}

test("of a file all flows are wanted", () => {
  assert.deepEqual(flowsRequest({}, nothing, { nowNs, fromFile: true }), {});
  assert.deepEqual(flowsRequest({ last: 3n }, nothing, { nowNs, fromFile: true }), { number: "3" });
});

test("selectors that contradict each other, and what is no moment", () => {
  const refused: readonly (readonly [Selectors, RegExp])[] = [
    [{ first: 1n, last: 1n }, /^--first and --last cannot be combined$/],
    [{ first: 1n, all: true }, /^--first and --all/],
    [{ first: 1n, follow: true }, /^--first and --follow/],
    [{ last: 1n, all: true }, /^--last and --all/],
    [{ since: "yesterday" }, /^--since: "yesterday" is no moment$/],
    [{ until: "1 hour" }, /^--until: "1 hour" is no moment$/],
    [{ since: "5m", until: "10m" }, /^--since 5m is after --until 10m$/],
  ];
  for (const [selectors, message] of refused)
    assert.throws(() => flowsRequest(selectors, nothing, { nowNs }), { message });
});

test("raw filters: one text may hold several", () => {
  assert.deepEqual(
    rawFilters("allowlist", [
      '{"source_ip":["a}{"]} {"reply":[true]}\n',
      '{"verdict":["DROPPED"]}',
    ]),
    [{ source_ip: ["a}{"] }, { reply: [true] }, { verdict: ["DROPPED"] }],
  );
  assert.deepEqual(rawFilters("allowlist", []), []);
  for (const text of ["{", "[]", '"a"', "null", "source_ip", '{"a":1}}', '{"a":"'])
    assert.throws(
      () => rawFilters("denylist", [text]),
      { message: /^--denylist: .* is no FlowFilter$/ },
      text,
    );
});
