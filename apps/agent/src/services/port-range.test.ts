import assert from "node:assert/strict";
import { test } from "node:test";
import { isCovered, overlap, type Ports, rangesOf } from "./port-range.ts";

test("reserved ports are read as the kernel writes them", () => {
  assert.deepEqual(rangesOf("\n"), []);
  assert.deepEqual(rangesOf("8080,9000-9100\n"), [
    [8080, 8080],
    [9000, 9100],
  ]);
});

test("node ports that local ports reach into are those of both", () => {
  const rows: readonly (readonly [Ports, Ports | undefined])[] = [
    [[32768, 60999], undefined],
    [
      [1024, 65535],
      [30000, 32767],
    ],
    [
      [32767, 60999],
      [32767, 32767],
    ],
    [
      [1024, 30000],
      [30000, 30000],
    ],
  ];
  for (const [local, shared] of rows) assert.deepEqual(overlap(local, [30000, 32767]), shared);
});

test("a range is reserved when all of its ports are, by one entry or by several", () => {
  const wanted: Ports = [30000, 32767];
  assert.ok(isCovered(wanted, rangesOf("31000-40000,29000-30999")));
  assert.ok(isCovered(wanted, rangesOf("1-65535")));
  assert.ok(!isCovered(wanted, rangesOf("30000-30999,31001-32767")));
  assert.ok(!isCovered(wanted, rangesOf("30000-32766")));
  assert.ok(!isCovered(wanted, []));
});
