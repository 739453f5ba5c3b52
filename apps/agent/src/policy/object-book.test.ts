import assert from "node:assert/strict";
import { test } from "node:test";
import { ObjectBook } from "./object-book.ts";

const ref = { kind: "NetworkPolicy", namespace: "shop", name: "web" };
const version = (generation: number, uid = "u") => ({ ref, uid, generation });
const valid = { ok: true, warnings: [] } as const;
const invalid = { ok: false, problems: [{ path: "spec", message: "is odd" }] } as const;

test("an object that is not understood any more goes on with the version that was", () => {
  const book = new ObjectBook();
  book.note(version(1), valid);
  book.note(version(2), invalid);
  const [report] = book.reports();
  assert.deepEqual(
    [report?.valid, report?.generation, report?.enforcedGeneration, book.invalid],
    [false, 2, 1, 1],
  );
  book.note(version(3), valid);
  assert.deepEqual([book.reports()[0]?.enforcedGeneration, book.invalid], [3, 0]);
});

test("another object of the same name is told from a new version", () => {
  const book = new ObjectBook();
  book.note(version(1), valid);
  assert.equal(book.isOther(version(2)), false);
  assert.equal(book.isOther(version(1, "another")), true);
});

test("changes are told once each, the last of an object", () => {
  const book = new ObjectBook();
  book.note(version(1), valid);
  book.note(version(2), { ...valid, rules: 3 });
  assert.deepEqual(book.takeChanges(), [{ ref, revision: 2, rules: 3, gone: false }]);
  book.remove(ref);
  book.remove(ref);
  assert.deepEqual(book.takeChanges(), [{ ref, revision: 3, rules: 0, gone: true }]);
  assert.deepEqual(book.takeChanges(), []);
});

test("the revision grows with every change and with none that is none", () => {
  const book = new ObjectBook();
  book.note(version(1), valid);
  book.note(version(2), invalid);
  book.remove(ref);
  book.remove(ref);
  assert.deepEqual([book.revision, book.size, book.invalid], [3, 0, 0]);
});
