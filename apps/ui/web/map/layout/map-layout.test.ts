import assert from "node:assert/strict";
import { test } from "node:test";
import { type Box, type LayoutInput, type LayoutItem, MapLayout } from "./map-layout.ts";

const shape = 1.8;

/** Namespaces of `size` cards, with links within and between. */
function cluster(namespaces: number, size: number): LayoutInput {
  const items: LayoutItem[] = [];
  const links: [string, string][] = [];
  for (let n = 0; n < namespaces; n++) {
    for (let at = 0; at < size; at++) {
      items.push({ id: `n${n}-${at}`, group: `n${n}` });
      links.push([`n${n}-${at}`, `n${n}-${(at * 7 + 3) % size}`]);
      if (at % 5 === 0) links.push([`n${n}-${at}`, `n${(n * 3 + 1) % namespaces}-${at}`]);
    }
  }
  items.push({ id: "world", group: "" });
  links.push(["world", "n0-0"]);
  return { items, links: links.filter(([from, to]) => from !== to), shape };
}

function overlap(a: Box, b: Box): boolean {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}

function contains(outer: Box, inner: Box): boolean {
  return (
    inner.x >= outer.x &&
    inner.y >= outer.y &&
    inner.x + inner.width <= outer.x + outer.width &&
    inner.y + inner.height <= outer.y + outer.height
  );
}

function assertTidy(input: LayoutInput, layout: MapLayout): void {
  const { items, groups } = layout.update(input);
  const outer = [
    ...Object.entries(groups),
    ...input.items.flatMap(({ id, group }) =>
      group === "" ? [[id, items[id] as Box] as const] : [],
    ),
  ];
  for (const [a, boxA] of outer)
    for (const [b, boxB] of outer)
      if (a < b) assert.ok(!overlap(boxA, boxB), `${a} and ${b} overlap`);
  const members = new Map<string, [string, Box][]>();
  for (const { id, group } of input.items) {
    if (group === "") continue;
    const box = items[id];
    assert.ok(box, `${id} has no place`);
    assert.ok(contains(groups[group] as Box, box), `${id} is outside of ${group}`);
    members.set(group, [...(members.get(group) ?? []), [id, box]]);
  }
  for (const cards of members.values())
    for (const [a, boxA] of cards)
      for (const [b, boxB] of cards) if (a < b) assert.ok(!overlap(boxA, boxB), `${a} on ${b}`);
}

for (const [namespaces, size] of [
  [1, 1],
  [1, 30],
  [6, 5],
  [25, 20],
  [2, 250],
] as const) {
  test(`${namespaces} namespaces of ${size}: nothing lies on anything else, every card is in its namespace`, () => {
    assertTidy(cluster(namespaces, size), new MapLayout());
  });
}

test("five hundred cards are placed in well under a second", () => {
  const begun = performance.now();
  new MapLayout().update(cluster(25, 20));
  assert.ok(performance.now() - begun < 3_000, `${performance.now() - begun} ms`);
});

test("who opens connections is left of whom it opens them to", () => {
  const { items } = new MapLayout().update({
    items: ["c", "b", "a"].map((id) => ({ id, group: "g" })),
    links: [
      ["a", "b"],
      ["b", "c"],
    ],
    shape,
  });
  assert.ok((items["a"] as Box).x < (items["b"] as Box).x);
  assert.ok((items["b"] as Box).x < (items["c"] as Box).x);
});

test("a newcomer gets a free place, and nobody in its namespace moves for it", () => {
  const layout = new MapLayout();
  const input = cluster(4, 12);
  const before = layout.update(input);
  const grown: LayoutInput = {
    items: [...input.items, { id: "new", group: "n2" }],
    links: [...input.links, ["n2-1", "new"]],
    shape,
  };
  const after = layout.update(grown);
  for (const { id, group } of input.items) {
    if (group === "") continue;
    const corner = (result: typeof before) => {
      const box = result.items[id] as Box;
      const frame = result.groups[group] as Box;
      return [box.x - frame.x, box.y - frame.y];
    };
    assert.deepEqual(corner(after), corner(before), id);
  }
  assertTidy(grown, layout);
});

test("who was away for a while comes back to the old place", () => {
  const layout = new MapLayout();
  const input = cluster(3, 10);
  const before = layout.update(input);
  layout.update({ ...input, items: input.items.filter(({ id }) => id !== "n1-4") });
  assert.deepEqual(layout.update(input), before);
});

test("the same input gives the same places, also anew", () => {
  const layout = new MapLayout();
  const input = cluster(5, 8);
  const first = layout.update(input);
  assert.deepEqual(layout.update(input), first);
  layout.forget();
  assert.deepEqual(layout.update(input), first);
});
