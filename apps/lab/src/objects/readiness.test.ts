import assert from "node:assert/strict";
import { test } from "node:test";
import type { Deployment, Pod, PodStatus } from "@tsilium/kube";
import { lagging } from "./readiness.ts";

const pod = (status: PodStatus, deleted = false): Pod => ({
  metadata: { name: "p", namespace: "n", ...(deleted ? { deletionTimestamp: "now" } : {}) },
  spec: { nodeName: "node-1", containers: [] },
  status,
});
const lines = (pods: Pod[], deployments: Deployment[] = []) =>
  lagging({ pods, deployments, daemonSets: [] });
const ready = { phase: "Running", conditions: [{ type: "Ready", status: "True" }] } as const;

test("ready, finished and departing pods are not waited for", () => {
  assert.deepEqual(
    lines([pod(ready), pod({ phase: "Succeeded" }), pod({ phase: "Running" }, true)]),
    [],
  );
});

test("a pod that lags is named with its reason", () => {
  const crashing = {
    name: "c",
    image: "",
    imageID: "",
    ready: false,
    restartCount: 2,
    state: {
      waiting: {
        reason: "CrashLoopBackOff",
        message: "back-off",
      },
    },
  };
  assert.deepEqual(lines([pod({ phase: "Running", containerStatuses: [crashing] })]), [
    "pod n/p: container c: CrashLoopBackOff: back-off",
  ]);
});

test("a deployment is ready when its latest version is there in full", () => {
  const deployment = (observedGeneration: number, availableReplicas: number): Deployment => ({
    metadata: { name: "d", namespace: "n", generation: 2 },
    spec: { replicas: 2, selector: {}, template: { spec: { containers: [] } } },
    status: { observedGeneration, replicas: 2, updatedReplicas: 2, availableReplicas },
  });
  assert.deepEqual(lines([], [deployment(2, 2)]), []);
  assert.deepEqual(lines([], [deployment(1, 2)]), ["deployment n/d: 2 of 2 pods are ready"]);
  assert.deepEqual(lines([], [deployment(2, 1)]), ["deployment n/d: 1 of 2 pods are ready"]);
});
