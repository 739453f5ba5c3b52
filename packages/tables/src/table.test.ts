import assert from "node:assert/strict";
import { test } from "node:test";
import { Table, type Change } from "./index.ts";

type Pod = { readonly name: string; readonly node: string; readonly labels?: readonly string[] };

function podTable(): Table<Pod> {
  return new Table<Pod>({
    name: "pods",
    key: (pod) => pod.name,
    indexes: { node: (pod) => [pod.node], label: (pod) => pod.labels ?? [] },
    equals: (a, b) => a.node === b.node && String(a.labels) === String(b.labels),
  });
}

const text = ({ kind, row, previous, revision }: Change<Pod>) =>
  `${revision} ${kind} ${row.name}@${row.node}${previous ? ` was ${previous.node}` : ""}`;

test("subscribers hear every change in order, before the change returns", () => {
  const pods = podTable();
  const heard: string[] = [];
  pods.subscribe((change) => heard.push(text(change)));
  pods.upsert({ name: "a", node: "n1" });
  pods.upsert({ name: "a", node: "n2" });
  assert.equal(pods.delete("a"), true);
  assert.equal(pods.delete("a"), false);
  assert.deepEqual(heard, ["1 upsert a@n1", "2 upsert a@n2 was n1", "3 delete a@n2"]);
});

test("an upsert of an equal row is no change", () => {
  const pods = podTable();
  assert.equal(pods.upsert({ name: "a", node: "n1" }), 1);
  pods.subscribe(() => assert.fail("no change was made"));
  assert.equal(pods.upsert({ name: "a", node: "n1" }), 1);
  assert.equal(pods.revision, 1);
});

test("indexes follow rows as they change", () => {
  const pods = podTable();
  pods.upsert({ name: "a", node: "n1", labels: ["web", "db"] });
  pods.upsert({ name: "b", node: "n1", labels: ["web"] });
  pods.upsert({ name: "a", node: "n2", labels: ["db"] });
  assert.deepEqual(
    pods.by("node", "n1").map(({ name }) => name),
    ["b"],
  );
  assert.deepEqual(
    pods.by("label", "db").map(({ name }) => name),
    ["a"],
  );
  pods.delete("b");
  assert.deepEqual(pods.by("label", "web"), []);
  assert.throws(() => pods.by("colour", "red"), /no index colour/);
});

test("replay tells the rows there are in order of last change, then what is new", () => {
  const pods = podTable();
  pods.upsert({ name: "a", node: "n1" });
  pods.upsert({ name: "b", node: "n1" });
  pods.upsert({ name: "a", node: "n2" });
  const heard: string[] = [];
  const subscription = pods.subscribe((change) => heard.push(text(change)), { replay: true });
  pods.delete("b");
  subscription[Symbol.dispose]();
  pods.delete("a");
  assert.deepEqual(heard, ["2 upsert b@n1", "3 upsert a@n2", "4 delete b@n1"]);
});

test("a change made by a listener reaches everybody after the one that caused it", () => {
  const pods = podTable();
  const heard: string[] = [];
  pods.subscribe(({ row }) => {
    if (row.name === "a") pods.upsert({ name: "b", node: row.node });
  });
  pods.subscribe((change) => heard.push(text(change)));
  pods.upsert({ name: "a", node: "n1" });
  assert.deepEqual(heard, ["1 upsert a@n1", "2 upsert b@n1"]);
});

test("a change made during a replay comes after the replay, once", () => {
  const pods = podTable();
  pods.upsert({ name: "a", node: "n1" });
  pods.upsert({ name: "b", node: "n1" });
  const heard: string[] = [];
  pods.subscribe(
    (change) => {
      heard.push(text(change));
      if (change.revision === 1) pods.delete("b");
    },
    { replay: true },
  );
  assert.deepEqual(heard, ["1 upsert a@n1", "2 upsert b@n1", "3 delete b@n1"]);
});

test("changes come in batches, a key's changes folded into one", async () => {
  const pods = podTable();
  pods.upsert({ name: "old", node: "n1" });
  const abort = new AbortController();
  const batches = pods.changes(abort.signal, { replay: true })[Symbol.asyncIterator]();
  pods.upsert({ name: "a", node: "n1" });
  pods.upsert({ name: "a", node: "n2" });
  pods.delete("old");
  const first = await batches.next();
  assert.deepEqual((first.value as Change<Pod>[]).map(text), ["3 upsert a@n2", "4 delete old@n1"]);
  const waiting = batches.next();
  pods.upsert({ name: "a", node: "n3" });
  assert.deepEqual(((await waiting).value as Change<Pod>[]).map(text), ["5 upsert a@n3 was n2"]);
  const last = batches.next();
  abort.abort();
  assert.equal((await last).done, true);
});
