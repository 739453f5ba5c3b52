import assert from "node:assert/strict";
import { test } from "node:test";
import { compileFilters } from "@tsilium/hubble/filter/index.ts";
import type { Flow } from "@tsilium/hubble/model.ts";
import { Traffic } from "../../tests/support/scene.ts";
import { shopScene } from "../../tests/support/shop.ts";
import { MapNames } from "./node-of.ts";
import { selectionOf } from "./selection.ts";

const names = new MapNames();
const flows = new Traffic(shopScene(), 3).between(1_000_000, 1_060_000, 4_000);
const keys = new Set(
  flows.flatMap((flow) => {
    const ends = names.ends(flow);
    return ends ? [ends.source.key, ends.destination.key] : [];
  }),
);
const pairs = new Set(
  flows.flatMap((flow) => {
    const ends = names.ends(flow);
    return ends ? [`${ends.source.key} ${ends.destination.key}`] : [];
  }),
);

function wanted(
  flow: Flow,
  isAt: (ends: NonNullable<ReturnType<MapNames["ends"]>>) => boolean,
): boolean {
  const ends = names.ends(flow);
  return ends !== undefined && isAt(ends);
}

test("a node's flows are those that the map counts for it, and its filters let all of them through", () => {
  assert.ok(keys.size > 15);
  for (const key of keys) {
    const selection = selectionOf(new URLSearchParams({ node: key }), names);
    const filter = selection?.filters && compileFilters({ whitelist: selection.filters });
    for (const flow of flows) {
      const expected = wanted(
        flow,
        ({ source, destination }) => source.key === key || destination.key === key,
      );
      assert.equal(selection?.includes(flow), expected, key);
      if (expected && filter) assert.ok(filter.matches(flow), `${key}: ${flow.uuid}`);
    }
  }
});

test("an edge's flows are those that the map counts for it, replies too", () => {
  assert.ok(pairs.size > 20);
  for (const pair of pairs) {
    const selection = selectionOf(new URLSearchParams({ edge: pair }), names);
    const filter = selection?.filters && compileFilters({ whitelist: selection.filters });
    for (const flow of flows) {
      const expected = wanted(
        flow,
        ({ source, destination }) => `${source.key} ${destination.key}` === pair,
      );
      assert.equal(selection?.includes(flow), expected, pair);
      if (expected && filter) assert.ok(filter.matches(flow), `${pair}: ${flow.uuid}`);
    }
  }
});

test("a namespace has the flows of all in it", () => {
  const selection = selectionOf(new URLSearchParams({ node: "namespace/data//" }), names);
  for (const flow of flows) {
    const expected = flow.source.namespace === "data" || flow.destination.namespace === "data";
    assert.equal(selection?.includes(flow), expected);
  }
});

for (const query of [
  "node=x",
  "node=a/b/c/d/e",
  "node=workload/%E0%A4%A/x/y",
  "edge=a///b",
  "edge=a///b c///d e///f",
])
  test(`${query} is refused`, () =>
    assert.throws(() => selectionOf(new URLSearchParams(query), names), /RequestError/));
