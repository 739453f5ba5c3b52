import assert from "node:assert/strict";
import { test } from "node:test";
import type { ListenerRules } from "@tsilium/proxy/model.ts";
import { ListenerBook } from "./listener-book.ts";
import type { WantedRules } from "./model.ts";

function rules(port: number, version = 1): ListenerRules {
  const ruleSet = { kind: "kafka", direction: "egress", audit: false, denyRule: 1, rules: [] };
  return { port, version, ruleSet: ruleSet as ListenerRules["ruleSet"] };
}

const change = (listeners: readonly ListenerRules[], removed: readonly number[] = []) => ({
  whole: false,
  listeners,
  removed,
});
const text = (update: WantedRules | undefined) =>
  update &&
  `${update.whole ? "whole " : ""}+${update.listeners.map(({ port, version }) => `${port}/${version}`)} -${update.removed}`;

test("a process hears everything first, then what changes, each once", () => {
  const book = new ListenerBook();
  assert.equal(text(book.take()), "whole + -");
  assert.equal(book.change(change([rules(1), rules(2)])), true);
  assert.equal(text(book.take()), "+1/1,2/1 -");
  assert.equal(book.take(), undefined);
  book.change(change([rules(1, 2)], [2, 3]));
  assert.equal(text(book.take()), "+1/2 -2");
  assert.equal(book.change({ whole: true, listeners: [rules(4)], removed: [] }), true);
  assert.equal(text(book.take()), "+4/1 -1");
  book.startOver();
  assert.equal(text(book.take()), "whole +4/1 -");
});

test("what was refused is said again, with all the rest", () => {
  const book = new ListenerBook();
  book.taken(book.take() as WantedRules, []);
  book.change(change([rules(1)]));
  book.refused(book.take() as WantedRules);
  assert.deepEqual(book.giveUp("no"), [{ port: 1, version: 1, problem: "no" }]);
  assert.deepEqual(book.giveUp("no"), []);
  assert.equal(text(book.take()), "whole +1/1 -");
});

test("only what is still wanted is acknowledged, and only news", () => {
  const book = new ListenerBook();
  book.change(change([rules(1), rules(2)]));
  const update = book.take() as WantedRules;
  book.change(change([rules(1, 2)]));
  assert.deepEqual(book.taken(update, []), [{ port: 2, version: 1, problem: undefined }]);
  assert.equal(book.isSettled, false);
  book.taken(book.take() as WantedRules, [{ port: 1, reason: "bad" }]);
  assert.equal(book.isSettled, true);
  assert.deepEqual(
    book.noteProblems([]).map(({ port, problem }) => [port, problem]),
    [[1, undefined]],
  );
  book.lost();
  assert.equal(book.isSettled, false);
  assert.deepEqual(
    book.giveUp("gone").map(({ port }) => port),
    [1, 2],
  );
});

test("who says the same again is acknowledged again", () => {
  const book = new ListenerBook();
  book.change(change([rules(1)]));
  book.taken(book.take() as WantedRules, []);
  book.change({ whole: true, listeners: [rules(1)], removed: [] });
  assert.equal(book.taken(book.take() as WantedRules, []).length, 1);
});
