// The examples of RFC 7386 and RFC 6902, and what they leave to us.
import { strict as assert } from "node:assert";
import { test } from "node:test";
import { ApiError } from "../errors.ts";
import { jsonPatch, mergePatch } from "./patch.ts";

/** RFC 7386, appendix A: target, patch, result */
const merges: readonly (readonly [unknown, unknown, unknown])[] = [
  [{ a: "b" }, { a: "c" }, { a: "c" }],
  [{ a: "b" }, { b: "c" }, { a: "b", b: "c" }],
  [{ a: "b" }, { a: null }, {}],
  [{ a: "b", b: "c" }, { a: null }, { b: "c" }],
  [{ a: ["b"] }, { a: "c" }, { a: "c" }],
  [{ a: "c" }, { a: ["b"] }, { a: ["b"] }],
  [{ a: { b: "c" } }, { a: { b: "d", c: null } }, { a: { b: "d" } }],
  [{ a: [{ b: "c" }] }, { a: [1] }, { a: [1] }],
  [
    ["a", "b"],
    ["c", "d"],
    ["c", "d"],
  ],
  [{ a: "b" }, ["c"], ["c"]],
  [{ a: "foo" }, null, null],
  [{ a: "foo" }, "bar", "bar"],
  [{ e: null }, { a: 1 }, { e: null, a: 1 }],
  [[1, 2], { a: "b", c: null }, { a: "b" }],
  [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
];
for (const [target, patch, expected] of merges) {
  test(`merge ${JSON.stringify(target)} with ${JSON.stringify(patch)}`, () => {
    const before = JSON.stringify(target);
    assert.deepEqual(mergePatch(target, patch), expected);
    assert.equal(JSON.stringify(target), before, "the target is not changed");
  });
}

/** target, operations, result (undefined: it cannot be applied) */
const patches: readonly (readonly [string, unknown, readonly object[], unknown])[] = [
  ["add a field", { a: 1 }, [{ op: "add", path: "/b", value: 2 }], { a: 1, b: 2 }],
  ["add an item", { a: [1, 3] }, [{ op: "add", path: "/a/1", value: 2 }], { a: [1, 2, 3] }],
  ["append an item", { a: [1] }, [{ op: "add", path: "/a/-", value: [2] }], { a: [1, [2]] }],
  ["add over a field", { a: 1 }, [{ op: "add", path: "/a", value: 2 }], { a: 2 }],
  ["remove a field", { a: 1, b: 2 }, [{ op: "remove", path: "/a" }], { b: 2 }],
  ["remove an item", { a: [1, 2] }, [{ op: "remove", path: "/a/0" }], { a: [2] }],
  ["replace a field", { a: 1 }, [{ op: "replace", path: "/a", value: 2 }], { a: 2 }],
  ["replace everything", { a: 1 }, [{ op: "replace", path: "", value: [1] }], [1]],
  [
    "move a field",
    { a: { b: 1 }, c: {} },
    [{ op: "move", from: "/a/b", path: "/c/d" }],
    { a: {}, c: { d: 1 } },
  ],
  [
    "move an item",
    { a: [1, 2, 3] },
    [{ op: "move", from: "/a/0", path: "/a/2" }],
    { a: [2, 3, 1] },
  ],
  [
    "copy a value",
    { a: { b: 1 } },
    [{ op: "copy", from: "/a", path: "/c" }],
    { a: { b: 1 }, c: { b: 1 } },
  ],
  [
    "test what holds",
    { a: { b: [1] } },
    [{ op: "test", path: "/a", value: { b: [1] } }],
    { a: { b: [1] } },
  ],
  [
    "escaped names",
    { "a/b": 1, "c~d": 2 },
    [
      { op: "remove", path: "/a~1b" },
      { op: "remove", path: "/c~0d" },
    ],
    {},
  ],
  ["test what does not hold", { a: 1 }, [{ op: "test", path: "/a", value: "1" }], undefined],
  ["remove what is not there", { a: 1 }, [{ op: "remove", path: "/b" }], undefined],
  ["replace what is not there", { a: 1 }, [{ op: "replace", path: "/b", value: 1 }], undefined],
  ["add beyond the end", { a: [1] }, [{ op: "add", path: "/a/2", value: 1 }], undefined],
  ["an index with a leading zero", { a: [1, 2] }, [{ op: "remove", path: "/a/01" }], undefined],
  ["move into itself", { a: { b: {} } }, [{ op: "move", from: "/a", path: "/a/b/c" }], undefined],
  ["a field of text", { a: "x" }, [{ op: "add", path: "/a/b", value: 1 }], undefined],
  ["an inherited name", {}, [{ op: "copy", from: "/constructor", path: "/a" }], undefined],
];
for (const [sentence, target, operations, expected] of patches) {
  test(`JSON patch: ${sentence}`, () => {
    const before = JSON.stringify(target);
    if (expected === undefined) {
      assert.throws(
        () => jsonPatch(target, operations),
        (error) => error instanceof ApiError && error.status === 422,
      );
    } else {
      assert.deepEqual(jsonPatch(target, operations), expected);
    }
    assert.equal(JSON.stringify(target), before, "the target is not changed");
  });
}

test("a prototype is out of reach", () => {
  const attempt = [{ op: "add", path: "/__proto__/polluted", value: true }];
  assert.throws(() => jsonPatch({}, attempt), /bad path/);
  assert.equal(Object.hasOwn(Object.prototype, "polluted"), false);
});
