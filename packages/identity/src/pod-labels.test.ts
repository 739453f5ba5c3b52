import assert from "node:assert/strict";
import { test } from "node:test";
import { labelFilter } from "./label-filter.ts";
import { podIdentityLabels } from "./pod-labels.ts";

type Setup = {
  readonly labels?: Record<string, string>;
  readonly namespaceLabels?: Record<string, string>;
  readonly serviceAccountName?: string;
  readonly configured?: string[];
};

const identityLabels = ({ labels, namespaceLabels, serviceAccountName, configured }: Setup) =>
  podIdentityLabels({
    pod: {
      metadata: { name: "cart", namespace: "shop", ...(labels ? { labels } : {}) },
      spec: { containers: [], ...(serviceAccountName ? { serviceAccountName } : {}) },
    },
    namespace: { metadata: { name: "shop", labels: namespaceLabels ?? {} } },
    clusterName: "default",
    filter: labelFilter(configured),
  }).toArray();

test("a pod's identity is its labels, its namespace's, its service account and its cluster", () => {
  assert.deepEqual(
    identityLabels({
      labels: { app: "web", "pod-template-hash": "5f" },
      namespaceLabels: { "kubernetes.io/metadata.name": "shop", tier: "gold" },
      serviceAccountName: "cart",
    }),
    [
      "k8s:app=web",
      "k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name=shop",
      "k8s:io.cilium.k8s.namespace.labels.tier=gold",
      "k8s:io.cilium.k8s.policy.cluster=default",
      "k8s:io.cilium.k8s.policy.serviceaccount=cart",
      "k8s:io.kubernetes.pod.namespace=shop",
    ],
  );
});

test("CVE-2023-39347: a pod's own labels never stand for its namespace, cluster or service account", () => {
  const forged = identityLabels({
    labels: {
      "io.kubernetes.pod.namespace": "kube-system",
      "io.cilium.k8s.policy.cluster": "other",
      "io.cilium.k8s.policy.serviceaccount": "admin",
    },
  });
  assert.deepEqual(forged, [
    "k8s:io.cilium.k8s.policy.cluster=default",
    "k8s:io.kubernetes.pod.namespace=shop",
  ]);
});

test("GHSA-pfhr-pccp-hwmh: a pod's own labels never pass for labels of its namespace", () => {
  const forged = identityLabels({
    labels: { "io.cilium.k8s.namespace.labels.tier": "gold", "reserved:host": "" },
    namespaceLabels: { tier: "iron" },
  });
  assert.deepEqual(forged, [
    "k8s:io.cilium.k8s.namespace.labels.tier=iron",
    "k8s:io.cilium.k8s.policy.cluster=default",
    "k8s:io.kubernetes.pod.namespace=shop",
    "k8s:reserved:host",
  ]);
});

test("a pod of which no label counts is reserved:init", () => {
  const configured = ["!io", "!.*namespace", "!io\\.cilium\\.k8s\\.policy\\.cluster.*"];
  assert.deepEqual(identityLabels({ configured: [...configured, "!io\\.kubernetes.*"] }), [
    "reserved:init",
  ]);
});
