import assert from "node:assert/strict";
import { test } from "node:test";
import type { BackendEntry, BackendSetEntry, FrontendEntry } from "@tsilium/datapath/model.ts";
import { Address } from "@tsilium/net";
import { frontendViews, slotLines } from "./kernel-frontends.ts";

const frontend = (address: string, more: Partial<FrontendEntry> = {}): FrontendEntry => ({
  id: 1,
  address: Address.parse(address),
  port: 80,
  protocol: 6,
  kind: "cluster-ip",
  externalSet: 1,
  internalSet: 1,
  localRedirect: false,
  dsr: false,
  hasSourceRanges: false,
  hasExceptions: false,
  ...more,
});
const set = (
  id: number,
  backends: readonly number[],
  more: Partial<BackendSetEntry> = {},
): BackendSetEntry => ({
  id,
  backends,
  affinityTimeoutS: 0,
  silent: false,
  maglev: undefined,
  ...more,
});
const backends: BackendEntry[] = [
  { id: 7, address: Address.parse("10.244.0.7"), port: 8080, protocol: 6, state: "active" },
  { id: 8, address: Address.parse("10.244.1.8"), port: 8080, protocol: 6, state: "terminating" },
  { id: 9, address: Address.parse("fd00:10:244::9"), port: 8080, protocol: 6, state: "active" },
];

function lines(frontends: readonly FrontendEntry[], sets: readonly BackendSetEntry[]): string[] {
  return slotLines(frontendViews({ frontends, sets, backends })).map((line) => line.join("  "));
}

test("a frontend is a line with its flags, then one for each slot", () => {
  assert.deepEqual(lines([frontend("10.96.0.1")], [set(1, [7, 8])]), [
    "10.96.0.1:80/TCP (0)  0.0.0.0:0 (1) (0) [ClusterIP, non-routable]",
    "10.96.0.1:80/TCP (1)  10.244.0.7:8080/TCP (1) (1)",
    "10.96.0.1:80/TCP (2)  10.244.1.8:8080/TCP (1) (2) [terminating]",
  ]);
});

test("where outside and inside differ, the cluster's lines are marked", () => {
  const nodePort = frontend("fc00:18::2", {
    kind: "node-port",
    externalSet: 1,
    internalSet: 2,
    dsr: true,
    hasSourceRanges: true,
  });
  const sets = [
    set(1, [], { silent: true, maglev: new Uint32Array() }),
    set(2, [9], { affinityTimeoutS: 60 }),
  ];
  assert.deepEqual(lines([nodePort], sets), [
    "[fc00:18::2]:80/TCP (0)  [::]:0 (1) (0) [NodePort, dsr, check source-range, maglev, silent]",
    "[fc00:18::2]:80/TCP/i (0)  [::]:0 (1) (0) [NodePort, dsr, check source-range, sessionAffinity]",
    "[fc00:18::2]:80/TCP/i (1)  [fd00:10:244::9]:8080/TCP (1) (1)",
  ]);
});

test("what is missing in the kernel is said to be", () => {
  assert.deepEqual(
    lines(
      [
        frontend("10.96.0.1", { externalSet: 5, internalSet: 5 }),
        frontend("10.96.0.1", {
          kind: "address-only",
          port: 0,
          protocol: 0,
          externalSet: 0,
          internalSet: 0,
        }),
        frontend("10.96.0.2", { externalSet: 3, internalSet: 3 }),
      ],
      [set(3, [70])],
    ),
    [
      "10.96.0.1:0/ANY (0)  0.0.0.0:0 (1) (0) [no port]",
      "10.96.0.1:80/TCP (0)  0.0.0.0:0 (1) (0) [ClusterIP, non-routable]",
      "10.96.0.2:80/TCP (0)  0.0.0.0:0 (1) (0) [ClusterIP, non-routable]",
      "10.96.0.2:80/TCP (1)  backend 70 is missing (1) (1)",
    ],
  );
});
