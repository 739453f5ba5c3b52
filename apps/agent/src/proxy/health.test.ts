import assert from "node:assert/strict";
import { test } from "node:test";
import { proxyHealth } from "./health.ts";
import type { SeatReport } from "./model.ts";

const listener = {
  port: 10_000,
  kind: "http",
  rules: 2,
  version: 3,
  acknowledged: 3,
  problem: undefined,
} as const;

function seat(over: Partial<SeatReport>): SeatReport {
  return {
    name: "engine-egress",
    state: "running",
    pid: 5,
    engine: "haproxy 2.6.12",
    problem: undefined,
    restarts: 0,
    listeners: [listener],
    ...over,
  };
}

const cases: readonly (readonly [says: string, seat: SeatReport, state: string, text: RegExp])[] = [
  ["runs", seat({}), "ok", /^haproxy 2\.6\.12, process 5, 1 rule set$/],
  ["was killed", seat({ restarts: 1 }), "ok", /started anew once/],
  [
    "was killed again, and has nothing to do",
    seat({ restarts: 2, listeners: [] }),
    "ok",
    /0 rule sets, started anew 2 times/,
  ],
  [
    "is not there",
    seat({ state: "waiting", problem: "HAProxy was not found" }),
    "degraded",
    /HAProxy was not found; nothing/,
  ],
  [
    "refuses a rule",
    seat({ listeners: [{ ...listener, problem: "no such secret" }] }),
    "degraded",
    /listener 10000 lets nothing through: no such secret/,
  ],
  [
    "is being told",
    seat({ listeners: [{ ...listener, acknowledged: 2 }] }),
    "ok",
    /1 not acknowledged yet/,
  ],
];

for (const [says, report, state, text] of cases)
  test(`health of a proxy that ${says}`, () => {
    const [part] = proxyHealth([report]);
    assert.equal(part?.name, "proxy engine-egress");
    assert.equal(part?.state, state);
    assert.match(part?.message ?? "", text);
  });

test("proxies that nobody needs are one line", () => {
  const parts = proxyHealth([seat({ state: "idle", listeners: [], pid: undefined })]);
  assert.deepEqual(
    parts.map(({ name, state }) => `${name} ${state}`),
    ["proxy ok"],
  );
});
