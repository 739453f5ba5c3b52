import assert from "node:assert/strict";
import { test } from "node:test";
import { workloadsOf } from "./workload.ts";

const controlled = (kind: string, name: string, labels: Record<string, string> = {}) => ({
  metadata: {
    name: "a-pod",
    labels,
    ownerReferences: [{ apiVersion: "v1", kind, name, uid: "1", controller: true }],
  },
});

for (const [sentence, pod, workload] of [
  [
    "a Deployment's, behind its ReplicaSet",
    controlled("ReplicaSet", "web-5d4f8", { "pod-template-hash": "5d4f8" }),
    "Deployment web",
  ],
  [
    "a ReplicaSet's that is of no Deployment",
    controlled("ReplicaSet", "web-5d4f8"),
    "ReplicaSet web-5d4f8",
  ],
  ["a DaemonSet's", controlled("DaemonSet", "proxy"), "DaemonSet proxy"],
  ["a Job's", controlled("Job", "migrate"), "Job migrate"],
  ["a CronJob's, behind its Job", controlled("Job", "backup-29376540"), "CronJob backup"],
  ["its own, when nobody controls it", { metadata: { name: "alone" } }, "Pod alone"],
  [
    "its own, when its owner does not control it",
    {
      metadata: {
        name: "alone",
        ownerReferences: [{ apiVersion: "v1", kind: "Node", name: "n", uid: "1" }],
      },
    },
    "Pod alone",
  ],
] as const)
  test(`a pod's workload is ${sentence}`, () => {
    assert.deepEqual(
      workloadsOf(pod as Parameters<typeof workloadsOf>[0]).map(
        ({ kind, name }) => `${kind} ${name}`,
      ),
      [workload],
    );
  });
