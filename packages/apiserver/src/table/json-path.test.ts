import { strict as assert } from "node:assert";
import { test } from "node:test";
import { parseJsonPath } from "./json-path.ts";

const object = {
  metadata: { annotations: { "a.b/c": "here" } },
  spec: {
    size: 3,
    list: [{ name: "one", n: 1 }, { name: "two", n: 2, deep: { name: "x" } }, { name: "three" }],
    conditions: [
      { type: "A", status: "no" },
      { type: "Ready", status: "yes" },
    ],
  },
};

/** path, results */
const paths: readonly (readonly [string, readonly unknown[]])[] = [
  [".spec.size", [3]],
  ["{.spec.size}", [3]],
  ["$.spec.size", [3]],
  [".spec.nothing.more", []],
  [".spec.list[0].name", ["one"]],
  [".spec.list[-1].name", ["three"]],
  [".spec.list[9].name", []],
  [".spec.list[*].name", ["one", "two", "three"]],
  [".spec.list[0:2].name", ["one", "two"]],
  [".spec.list[1:].name", ["two", "three"]],
  [".spec.list[::2].name", ["one", "three"]],
  [".spec.list[0,2].name", ["one", "three"]],
  ["..deep.name", ["x"]],
  [".spec.list..name", ["one", "two", "x", "three"]],
  ['.spec.conditions[?(@.type=="Ready")].status', ["yes"]],
  [".spec.conditions[?(@.type == 'Ready')].status", ["yes"]],
  [".spec.conditions[?(@.type!='Ready')].status", ["no"]],
  [".spec.list[?(@.n>=2)].name", ["two"]],
  [".spec.list[?(@.deep)].name", ["two"]],
  [".metadata.annotations.a\\.b/c", ["here"]],
  [".metadata.annotations['a.b/c']", ["here"]],
  [".metadata.annotations.*", ["here"]],
  [".spec.constructor", []],
];

for (const [path, results] of paths) {
  test(`${path} leads to ${JSON.stringify(results)}`, () => {
    assert.deepEqual(parseJsonPath(path)(object), results);
  });
}

for (const path of ["spec", ".spec[", ".spec.list[a]", ".spec.list[?(x)]", ".a b", ".spec]"]) {
  test(`${path} is no path`, () => {
    assert.throws(() => parseJsonPath(path), SyntaxError);
  });
}

test("a path that is no path is told at once, however long it is", () => {
  for (const unit of ["'a'", '"a"', "a ", "(@.x=='", ")]", ".."]) {
    for (const start of [".spec[", ".spec[?(@.", "."]) {
      const startedAt = process.cpuUsage().user;
      try {
        parseJsonPath(start + unit.repeat(3000))(object);
      } catch (error) {
        assert.ok(error instanceof SyntaxError || error instanceof RangeError);
      }
      assert.ok(process.cpuUsage().user - startedAt < 2_000_000, `${start}${unit}`);
    }
  }
});
