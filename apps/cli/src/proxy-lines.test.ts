import assert from "node:assert/strict";
import { test } from "node:test";
import type { ProxyView } from "./api.ts";
import { proxyLines } from "./proxy-lines.ts";

const listener = { port: 10_000, kind: "http" as const, rules: 1, version: 3, acknowledged: 3 };

function proxy(over: Partial<ProxyView>): ProxyView {
  return {
    name: "engine-egress",
    state: "running",
    restarts: 0,
    connections: 1,
    requests: { forwarded: 7, denied: 1, errors: 0 },
    listeners: [listener],
    ...over,
  };
}

const problem = "secret shop/token is not there";
const refused = { ...listener, port: 10_001, rules: 2, problem };

const cases: readonly (readonly [says: string, proxy: ProxyView, lines: readonly string[]])[] = [
  [
    "what is in force",
    proxy({ connections: 2 }),
    [
      "2 connections, requests: 7 forwarded, 1 denied, 0 errors",
      "listener 10000: http, 1 rule, version 3 in force",
    ],
  ],
  [
    "what is not yet",
    proxy({ requests: undefined, listeners: [{ ...listener, acknowledged: undefined }] }),
    ["listener 10000: http, 1 rule, version 3 not acknowledged, none in force"],
  ],
  [
    "a problem, and notes as they are",
    proxy({ listeners: [refused], notes: ["listener 10002: something"] }),
    [
      "1 connection, requests: 7 forwarded, 1 denied, 0 errors",
      "listener 10002: something",
      `listener 10001: http, 2 rules, version 3 lets nothing through: ${problem}`,
    ],
  ],
  [
    "what all its listeners lack, in the proxy's own line alone",
    proxy({
      requests: undefined,
      problem: "it was not found",
      listeners: [{ ...listener, problem: "it was not found" }],
    }),
    ["listener 10000: http, 1 rule, version 3 lets nothing through"],
  ],
];

for (const [says, view, lines] of cases)
  test(`a proxy's lines tell of ${says}`, () => assert.deepEqual(proxyLines(view), lines));
