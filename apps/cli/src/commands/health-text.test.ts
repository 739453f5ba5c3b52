import assert from "node:assert/strict";
import { test } from "node:test";
import type { HealthStatusView } from "../api.ts";
import { table } from "../output.ts";
import { nodeColumns, pathColumns, pathRows, reachableLine } from "./health-text.ts";

const ok = { latency: 1_250_000, status: "" };
const silent = { status: "no answer to 3 echo requests" };
const status: HealthStatusView = {
  local: { name: "node-1" },
  timestamp: "2026-11-26T16:00:00.000Z",
  probeInterval: 83.2,
  nodes: [
    {
      name: "node-1",
      host: { "primary-address": { ip: "172.18.0.2", icmp: ok, http: ok } },
      "health-endpoint": { "primary-address": { ip: "10.244.0.2", icmp: ok, http: ok } },
    },
    {
      name: "node-2",
      host: { "primary-address": { ip: "172.18.0.3", icmp: ok, http: ok } },
      "health-endpoint": {
        "primary-address": { ip: "10.244.1.2", icmp: ok, http: ok },
        "secondary-addresses": [{ ip: "fd00::2", icmp: silent, http: ok }],
      },
    },
    { name: "node-3", host: { "primary-address": { ip: "172.18.0.4" } } },
  ],
};

test("a line per node says whether it and its pods are reached, and why not", () => {
  assert.equal(
    `${reachableLine(status)}\n${table(status.nodes, nodeColumns("node-1"))}`,
    `Cluster health: 1/3 reachable (2026-11-26T16:00:00.000Z, every 83 s)
NODE                ADDRESS      NODE REACHED   PODS REACHED
node-1 (this one)   172.18.0.2   yes            yes
node-2              172.18.0.3   yes            no: fd00::2: no answer to 3 echo requests
node-3              172.18.0.4   not probed     -
`,
  );
});

test("a line per address has its latency", () => {
  assert.deepEqual(table(pathRows(status), pathColumns).split("\n").slice(3, 6), [
    "node-2   node              172.18.0.3   1.25 ms                        1.25 ms",
    "node-2   health endpoint   10.244.1.2   1.25 ms                        1.25 ms",
    "node-2   health endpoint   fd00::2      no answer to 3 echo requests   1.25 ms",
  ]);
});

test("where nothing is probed, that is said", () => {
  assert.match(
    reachableLine({ local: { name: "n" }, nodes: [], probeInterval: 1, disabled: true }),
    /disabled/,
  );
});
