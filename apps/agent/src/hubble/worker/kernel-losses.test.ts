import assert from "node:assert/strict";
import { test } from "node:test";
import type { EventLosses } from "@tsilium/datapath/model.ts";
import { KernelLosses } from "./kernel-losses.ts";

const counts = (...rows: [EventLosses["class"], number, bigint, bigint][]): EventLosses[] =>
  rows.map(([name, cpu, lost, sent]) => ({ class: name, cpu, lost, sent }));

function losses() {
  let now = 100n;
  const made = new KernelLosses(() => now++);
  const take = (...rows: Parameters<typeof counts>) =>
    made.take(counts(...rows)).map(({ cpu, count }) => `cpu ${cpu}: ${count}`);
  return { made, take };
}

test("what was lost before the first look is not told, what is lost after it is, by CPU", () => {
  const { made, take } = losses();
  assert.deepEqual(take(["traces", 0, 500n, 9n], ["verdicts", 1, 7n, 1n]), []);
  assert.deepEqual(
    take(["traces", 0, 510n, 20n], ["verdicts", 0, 1n, 1n], ["verdicts", 1, 7n, 5n]),
    ["cpu 0: 10"],
  );
  assert.deepEqual(made.totals, { lost: 518, sent: 26 });
});

test("what was lost while nobody read is known from the first record that lay in the ring", () => {
  const { made, take } = losses();
  made.begin("traces", 0, 500n);
  made.begin("traces", 0, 505n);
  assert.deepEqual(take(["traces", 0, 600n, 9n]), ["cpu 0: 100"]);
  assert.deepEqual(take(["traces", 0, 600n, 9n]), []);
});

test("the time of losses is from the look before to this one", () => {
  const { made } = losses();
  made.take(counts(["traces", 0, 1n, 1n]));
  const [lost] = made.take(counts(["traces", 0, 3n, 1n]));
  assert.deepEqual([lost?.firstNs, lost?.lastNs], [101n, 102n]);
});
