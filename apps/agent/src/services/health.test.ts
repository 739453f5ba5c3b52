import assert from "node:assert/strict";
import { test } from "node:test";
import { isProxyHealthy, servicesHealth, type ServicesState } from "./health.ts";
import type { WriterStatus } from "./writer.ts";

const writer: WriterStatus = {
  started: true,
  serving: true,
  stale: 0,
  refused: [],
  failing: undefined,
  lastUpdatedMs: Date.now(),
};
const state: ServicesState = {
  writer,
  portProblems: [],
  services: 2,
  frontends: 5,
  backends: 3,
  warnings: 0,
};

const refused = [{ key: "shop/web", error: "full" }];
const rows: readonly (readonly [string, Partial<ServicesState>, string])[] = [
  ["all is well", {}, "ok: 2 services, 5 frontends, 3 backends"],
  [
    "objects ask for what they do not get",
    { warnings: 1 },
    "ok: 2 services, 5 frontends, 3 backends, 1 with warnings",
  ],
  [
    "not all is known",
    { writer: { ...writer, started: false } },
    "degraded: waiting for all services and endpoints; what was in force stays",
  ],
  [
    "the kernel takes nothing",
    { writer: { ...writer, failing: "EPERM" } },
    "degraded: what is in force stays: EPERM",
  ],
  [
    "something does not fit",
    { writer: { ...writer, refused: [...refused, ...refused] } },
    "degraded: not served: shop/web and 1 more: full",
  ],
  [
    "a port is in use",
    { portProblems: ["shop/web: healthCheckNodePort 30080: in use"] },
    "degraded: shop/web: healthCheckNodePort 30080: in use",
  ],
];
for (const [what, change, expected] of rows) {
  test(`health when ${what}`, () => {
    const { state: word, message } = servicesHealth({ ...state, ...change });
    assert.equal(`${word}: ${message}`, expected);
  });
}

test("a node is worth traffic while the kernel serves, and not once changes have waited for a minute", () => {
  const aMinuteAgo = Date.now() - 61_000;
  assert.ok(isProxyHealthy(writer));
  assert.ok(isProxyHealthy({ ...writer, refused }));
  assert.ok(!isProxyHealthy({ ...writer, failing: "EPERM" }));
  assert.ok(!isProxyHealthy({ ...writer, stale: 1, lastUpdatedMs: aMinuteAgo }));
  const returning = { ...writer, started: false, lastUpdatedMs: aMinuteAgo };
  assert.ok(isProxyHealthy(returning));
  assert.ok(!isProxyHealthy({ ...returning, serving: false }));
});
