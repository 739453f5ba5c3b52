import assert from "node:assert/strict";
import { test } from "node:test";
import { Labels } from "@tsilium/net";
import { IdentityError } from "./errors.ts";
import { labelFilter } from "./label-filter.ts";

const kept = (labels: readonly string[], configured: readonly string[] = []) =>
  Labels.parse(labels).filter(labelFilter(configured)).toArray();

test("by default labels count, but for those that differ from pod to pod", () => {
  const cases: [label: string, counts: boolean][] = [
    ["k8s:app=web", true],
    ["k8s:team=a", true],
    ["k8s:app.kubernetes.io/name=web", true],
    ["k8s:io.kubernetes.pod.namespace=shop", true],
    ["k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name=shop", true],
    ["k8s:io.cilium.k8s.policy.cluster=default", true],
    ["k8s:io.cilium.k8s.policy.serviceaccount=sa", true],
    ["reserved:host", true],
    ["k8s:io.kubernetes.other=x", false],
    ["k8s:kubernetes.io/created-by=x", false],
    ["k8s:failure-domain.beta.kubernetes.io/zone=x", false],
    ["k8s:k8s.io/x=y", false],
    ["k8s:pod-template-hash=5f", false],
    ["k8s:pod-template-generation=1", false],
    ["k8s:controller-revision-hash=5f", false],
    ["k8s:controller-uid=5f", false],
    ["k8s:statefulset.kubernetes.io/pod-name=db-0", false],
    ["k8s:apps.kubernetes.io/pod-index=0", false],
    ["k8s:batch.kubernetes.io/job-completion-index=0", false],
    ["k8s:batch.kubernetes.io/controller-uid=5f", false],
    ["k8s:annotation.x=y", false],
    ["k8s:etcd_node=x", false],
  ];
  for (const [label, counts] of cases)
    assert.equal(kept([label]).length === 1, counts, `${label} counts: ${counts}`);
});

test("with one inclusive pattern only what is included counts, beside what always does", () => {
  const labels = [
    "k8s:app=web",
    "k8s:team=a",
    "k8s:io.kubernetes.pod.namespace=shop",
    "reserved:x",
  ];
  assert.deepEqual(kept(labels, ["k8s:team"]), [
    "k8s:io.kubernetes.pod.namespace=shop",
    "k8s:team=a",
    "reserved:x",
  ]);
});

test("exclusive patterns alone take away and leave the rest", () => {
  assert.deepEqual(kept(["k8s:app=web", "k8s:build=17"], ["!build"]), ["k8s:app=web"]);
});

test("of several matching patterns the one that matches most of the key decides", () => {
  const labels = ["k8s:team=a", "k8s:team-secret=b", "k8s:team-secret-public=c"];
  assert.deepEqual(kept(labels, ["team", "!team-secret", "team-secret-public"]), [
    "k8s:team=a",
    "k8s:team-secret-public=c",
  ]);
  assert.deepEqual(kept(["k8s:team=a"], ["team", "!team"]), []);
});

test("a pattern matches from the start of the key, of its source only", () => {
  assert.deepEqual(kept(["k8s:my-app=x", "k8s:app=y"], ["app"]), ["k8s:app=y"]);
  assert.deepEqual(kept(["k8s:app=x", "container:app=y"], ["container:app"]), ["container:app=y"]);
  assert.deepEqual(kept(["k8s:app=x", "container:app=y"], ["any:app"]), [
    "container:app=y",
    "k8s:app=x",
  ]);
});

test("a pattern that is no expression is refused with its text", () => {
  for (const pattern of ["k8s:(", "!", "k8s:"])
    assert.throws(
      () => labelFilter([pattern]),
      (error: unknown) =>
        error instanceof IdentityError &&
        error.code === "label_filter_invalid" &&
        error.message.includes(`"${pattern}"`),
    );
});
