// Pods, namespaces, labels, policies, services and nodes come and go at random while agents, the operator and the API server
// are killed at random: pods that stay lose nothing, what is forbidden never arrives, and in the end nothing is left.
//
//   every node: guest, server, stranger, caged (cast.ts), and what comes and goes
//
// About 40 s; with TSILIUM_SOAK=1 20 minutes, or TSILIUM_SOAK_MINUTES. docs/soak.md.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { before, test } from "node:test";
import { endure, type Outcome } from "./endure.ts";
import { growthComplaints, heldComplaints, tableComplaints } from "./judge.ts";
import { planOf } from "./plan.ts";
import { type Report, reportOf, textOf } from "./report.ts";

const plan = planOf(process.env);
let outcome: Outcome;
let report: Report;

before(async () => {
  const begun = performance.now();
  const say = (line: string) =>
    console.log(`[${((performance.now() - begun) / 1000).toFixed(1)} s] ${line}`);
  say(`TSILIUM_FUZZ_SEED=${plan.seed}`);
  outcome = await endure(plan, say);
  report = reportOf(outcome);
  const path = process.env["TSILIUM_SOAK_REPORT"];
  if (path) writeFileSync(path, `${JSON.stringify(report, null, 1)}\n`);
  for (const line of textOf(report)) console.log(line);
});

test("pods that stay lose no packet, unless a node on the way got tables with another layout, and no TCP even then", () => {
  assert.deepEqual(
    report.packets.losses.filter(({ isExcused }) => !isExcused),
    [],
  );
  for (const { who, sent, arrived, lost } of outcome.traffic.flows)
    assert.ok(arrived > 0 && sent >= arrived + lost, who);
});

test("what policy denies never arrives, whatever is killed", () => {
  for (const { who, sent, arrived } of outcome.traffic.forbiddenKnocks)
    assert.deepEqual({ who, arrived, some: sent > 100 }, { who, arrived: 0, some: true });
});

test("connections through a service and to the world live on, and new ones are answered", () => {
  assert.deepEqual(heldComplaints(outcome.traffic.held, outcome.faults), []);
  for (const { who, failed, asked } of report.connections.fresh)
    assert.deepEqual({ who, failed, some: asked > 20 }, { who, failed: [], some: true });
});

test("everything happened that was to happen", () => {
  assert.equal(outcome.faults[0]?.relaidOut.length, 1);
  assert.ok(outcome.faults.length >= plan.leastFaults);
  assert.ok(Object.keys(outcome.churn).length >= 10, Object.keys(outcome.churn).join());
});

test("in the end all books agree, identities without users included", () => {
  assert.deepEqual(outcome.contradictions, []);
});

test("no link, address, route, pin, descriptor, map entry or process is left behind", () => {
  assert.deepEqual(outcome.after, outcome.before);
});

test("memory and descriptors stay flat, and tables of connections bounded", () => {
  assert.deepEqual(growthComplaints(report.memory.growth), []);
  assert.deepEqual(tableComplaints(report.tables.most), []);
});

test("nothing was logged as an error that is not explained", () => {
  assert.deepEqual(outcome.logs.unexplained, []);
});
