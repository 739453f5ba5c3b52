import { strict as assert } from "node:assert";
import { test } from "node:test";
import type { Deployment, ReplicaSet } from "@tsilium/kube";
import { sameTemplate } from "./deployment.ts";
import { deploymentStatus, msUntilLate } from "./deployment-status.ts";
import { annotationsOf, currentRevision, revisionAnnotation } from "./revisions.ts";

const nowMs = Date.parse("2026-01-01T00:10:00Z");
const template = { metadata: { labels: { app: "a" } }, spec: { containers: [] } };
const selector = { matchLabels: { app: "a" } };

function deployment(
  spec: Partial<Deployment["spec"]> = {},
  more: Partial<Deployment> = {},
): Deployment {
  return {
    metadata: { name: "d", generation: 2 },
    spec: { replicas: 2, selector, template, progressDeadlineSeconds: 60, ...spec },
    ...more,
  };
}

function set(
  name: string,
  revision: number,
  counts: NonNullable<ReplicaSet["status"]> = {},
): ReplicaSet {
  return {
    metadata: { name, annotations: { [revisionAnnotation]: String(revision) } },
    spec: { replicas: counts.replicas ?? 0, selector, template },
    status: counts,
  };
}

test("going back makes an old set the newest revision, and it remembers which it was", () => {
  const [first, second] = [set("first", 1), set("second", 2)];
  const revision = currentRevision(first, [second]);
  const annotations = annotationsOf(deployment({ replicas: 4 }), first, revision);
  assert.deepEqual(annotations, {
    "deployment.kubernetes.io/revision": "3",
    "deployment.kubernetes.io/revision-history": "1",
    "deployment.kubernetes.io/desired-replicas": "4",
    "deployment.kubernetes.io/max-replicas": "5",
  });
  assert.equal(currentRevision(second, [first]), 2);
  assert.equal(currentRevision(undefined, []), 1);
});

test("a change's cause goes with it; what was last applied does not", () => {
  const metadata = {
    annotations: {
      "kubernetes.io/change-cause": "because",
      "kubectl.kubernetes.io/last-applied-configuration": "{}",
    },
  };
  const names = Object.keys(annotationsOf(deployment({}, { metadata }), undefined, 1)).toSorted();
  assert.ok(names.includes("kubernetes.io/change-cause"));
  assert.ok(!names.includes("kubectl.kubernetes.io/last-applied-configuration"));
});

test("a template that a Go client sends back is the one it was", () => {
  const sent = {
    metadata: { creationTimestamp: null, labels: { app: "a" } },
    spec: { containers: [], securityContext: {}, volumes: [] },
  } as unknown as typeof template;
  assert.ok(sameTemplate(template, sent));
  assert.ok(!sameTemplate(template, { ...template, metadata: { labels: { app: "b" } } }));
});

type Row = readonly [string, Deployment, readonly ReplicaSet[], string];
const progressing = (reason: string, lastUpdateTime: string) =>
  ({ type: "Progressing", status: "True", reason, lastUpdateTime }) as const;
const full = { replicas: 2, readyReplicas: 2, availableReplicas: 2 };
const half = { replicas: 2, readyReplicas: 1, availableReplicas: 1 };
const seen = { replicas: 2, updatedReplicas: 2, readyReplicas: 1, availableReplicas: 1 };
const rows: readonly Row[] = [
  ["all there", deployment(), [set("s", 1, full)], "True NewReplicaSetAvailable"],
  ["one missing", deployment(), [set("s", 1, half)], "True ReplicaSetUpdated"],
  [
    "nothing moves for as long as it may",
    deployment(
      {},
      {
        status: { ...seen, conditions: [progressing("ReplicaSetUpdated", "2026-01-01T00:08:00Z")] },
      },
    ),
    [set("s", 1, half)],
    "False ProgressDeadlineExceeded",
  ],
  [
    "nothing moves, but not for long",
    deployment(
      {},
      {
        status: { ...seen, conditions: [progressing("ReplicaSetUpdated", "2026-01-01T00:09:30Z")] },
      },
    ),
    [set("s", 1, half)],
    "True ReplicaSetUpdated",
  ],
  ["paused", deployment({ paused: true }), [set("s", 1, full)], "Unknown DeploymentPaused"],
];
for (const [what, object, sets, expected] of rows) {
  test(`the condition Progressing: ${what}`, () => {
    const current = sets[0] as ReplicaSet;
    const { conditions = [] } = deploymentStatus(object, { current, sets, created: false, nowMs });
    const found = conditions.find(({ type }) => type === "Progressing");
    assert.equal(`${found?.status} ${found?.reason}`, expected);
  });
}

test("a rollout is late at its deadline, and one that is over never", () => {
  const waiting = [progressing("ReplicaSetUpdated", "2026-01-01T00:09:30Z")];
  assert.equal(msUntilLate(deployment({}, { status: { conditions: waiting } }), nowMs), 30_000);
  const over = [progressing("NewReplicaSetAvailable", "2026-01-01T00:00:00Z")];
  assert.equal(msUntilLate(deployment({}, { status: { conditions: over } }), nowMs), undefined);
});
