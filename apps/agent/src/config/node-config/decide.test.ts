import assert from "node:assert/strict";
import { test } from "node:test";
import type { CiliumNodeConfig } from "@tsilium/kube";
import { settingsFor } from "./decide.ts";

type Spec = NonNullable<CiliumNodeConfig["spec"]>;

const config = (name: string, defaults: Record<string, unknown>, selector?: unknown) => ({
  metadata: { name, namespace: "kube-system" },
  spec: { defaults, ...(selector === undefined ? {} : { nodeSelector: selector }) } as Spec,
});
const lines = (configs: readonly CiliumNodeConfig[]) => {
  const { overrides, problems } = settingsFor(configs, { pool: "fast" });
  return [...overrides.map(({ key, text, source }) => `${key}=${text} ${source}`), ...problems];
};

test("settings of objects that select the node count; of two, that whose name is later", () => {
  assert.deepEqual(
    lines([
      config("b", { mtu: "9000" }, { matchLabels: { pool: "fast" } }),
      config("a", { mtu: "1500", "routing-mode": "native" }, {}),
      config("c", { mtu: "1" }, { matchLabels: { pool: "slow" } }),
      config("Z", { mtu: "2" }, {}),
    ]),
    [
      "mtu=9000 cilium-node-config:kube-system/b",
      "routing-mode=native cilium-node-config:kube-system/a",
    ],
  );
});

test("an object without a selector selects nothing, one that cannot be read is told of", () => {
  assert.deepEqual(
    lines([
      config("none", { mtu: "1" }),
      config("odd", { mtu: "2" }, { matchExpressions: [{ key: "pool", operator: "Like" }] }),
    ]),
    ['cilium-node-config:kube-system/odd: nodeSelector: unknown operator "Like"'],
  );
});

test("an agent cannot be told to be another one", () => {
  assert.deepEqual(
    lines([
      config("a", { kubeconfig: "/x", "k8s-node-name": "other", "run-dir": "/", mtu: 7 }, {}),
    ]),
    [
      "cilium-node-config:kube-system/a: kubeconfig cannot be set for some nodes",
      "cilium-node-config:kube-system/a: k8s-node-name cannot be set for some nodes",
      "cilium-node-config:kube-system/a: run-dir cannot be set for some nodes",
      "cilium-node-config:kube-system/a: mtu: wanted text",
    ],
  );
});
