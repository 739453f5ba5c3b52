// Compiled filters against their twin, and against blocks: what is passed over holds no match.
import assert from "node:assert/strict";
import { test } from "node:test";
import { repeat } from "@tsilium/testkit";
import { FlowFilterSchema } from "../gen/flow/flow_pb.ts";
import type { BlockSummary, Flow } from "../model.ts";
import { compileFilters } from "./compile.ts";
import { drawnFields, randomFilter } from "./testing/filters.ts";
import { randomEndpoint, randomFlow } from "./testing/flows.ts";
import { twinMatches } from "./testing/twin.ts";

test("random filters match the flows that the twin says", () => {
  let matched = 0;
  let missed = 0;
  repeat({ runs: 400 }, (random) => {
    const whitelist = Array.from({ length: random.below(4) }, () => randomFilter(random));
    const blacklist = Array.from({ length: random.below(3) }, () => randomFilter(random));
    const matcher = compileFilters({ whitelist, blacklist });
    const endpoints = Array.from({ length: 6 }, () => randomEndpoint(random));
    for (let count = 0; count < 20; count++) {
      const flow = randomFlow(random, endpoints);
      const expected = twinMatches(whitelist, blacklist, flow);
      if (expected) matched++;
      else missed++;
      assert.equal(matcher.matches(flow), expected);
    }
  });
  // Or the test would say nothing.
  assert.ok(
    matched > missed / 20 && missed > matched / 20,
    `${matched} matched, ${missed} did not`,
  );
});

test("random filters have every field", () => {
  const names = FlowFilterSchema.fields.map(({ localName }) => localName);
  assert.deepEqual([...drawnFields].sort(), names.sort());
});

function summaryOf(flows: readonly Flow[]): BlockSummary {
  const times = flows.map(({ timeNs }) => timeNs).sort((a, b) => (a < b ? -1 : 1));
  let verdicts = 0;
  for (const { verdict } of flows) verdicts |= 1 << verdict;
  return {
    firstNs: times[0] ?? 0n,
    lastNs: times.at(-1) ?? 0n,
    verdicts,
    eventTypes: [...new Set(flows.map(({ eventType }) => eventType.type))],
    endpoints: [...new Set(flows.flatMap(({ source, destination }) => [source, destination]))],
  };
}

test("a block that is passed over holds no match", () => {
  let passedOver = 0;
  repeat({ runs: 2_000 }, (random) => {
    const whitelist = Array.from({ length: random.below(3) }, () => randomFilter(random));
    const blacklist = Array.from({ length: random.below(3) }, () => randomFilter(random));
    const matcher = compileFilters({ whitelist, blacklist });
    const endpoints = Array.from({ length: 1 + random.below(3) }, () => randomEndpoint(random));
    const flows = Array.from({ length: 1 + random.below(4) }, () => randomFlow(random, endpoints));
    if (matcher.mayMatch(summaryOf(flows))) return;
    passedOver++;
    assert.deepEqual(
      flows.filter((flow) => matcher.matches(flow)),
      [],
    );
  });
  assert.ok(passedOver > 0, "no block was passed over");
});
