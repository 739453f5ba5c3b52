import assert from "node:assert/strict";
import { test } from "node:test";
import type { RedirectView } from "../api.ts";
import { redirectLines } from "./redirect-lines.ts";

const policy: RedirectView = {
  namespace: "kube-system",
  name: "dns",
  frontendType: "service",
  service: "kube-system/kube-dns",
  skipRedirectFromBackend: false,
  frontends: [],
  warnings: [],
};
const frontend: RedirectView["frontends"][number] = {
  id: 1,
  frontend: { address: "10.96.0.10", port: 53, protocol: "UDP" },
  type: "LocalRedirect",
  name: "kube-dns",
  namespace: "kube-system",
  portName: "dns",
  flags: {
    externalTrafficPolicy: "Cluster",
    internalTrafficPolicy: "Cluster",
    sessionAffinityTimeout: 0,
    algorithm: "random",
    forwardingMode: "snat",
    localRedirect: true,
  },
  backends: [
    { id: 7, address: "10.244.0.7", port: 53, protocol: "UDP", state: "active" },
    { id: 8, address: "10.244.0.8", port: 53, protocol: "UDP", state: "active" },
  ],
};
const lines = (row: RedirectView) =>
  redirectLines(row).map(({ namespace, name, type, service, redirect }) =>
    [namespace, name, type, service, redirect].join(" | "),
  );

test("a line for each frontend, then what is wrong", () => {
  const warnings = [{ path: "spec", message: "is odd" }];
  assert.deepEqual(lines({ ...policy, frontends: [frontend], warnings }), [
    "kube-system | dns | service | kube-system/kube-dns | 10.96.0.10:53/UDP -> 10.244.0.7:53/UDP, 10.244.0.8:53/UDP",
    " |  |  |  | ! spec: is odd",
  ]);
});

test("a policy that redirects nothing says so", () => {
  assert.deepEqual(lines(policy), [
    "kube-system | dns | service | kube-system/kube-dns | nothing: no backend on this node",
  ]);
});
