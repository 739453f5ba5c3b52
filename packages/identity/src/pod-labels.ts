// The labels that make a pod's identity. Pure.
import { type Label, Labels } from "@tsilium/net";
import type { Namespace, Pod } from "@tsilium/kube";
import type { LabelFilter } from "./label-filter.ts";

/** Everything under this prefix is derived by us and never taken from a user. */
const derivedPrefix = "io.cilium.k8s";
const namespaceKey = "io.kubernetes.pod.namespace";

export type PodIdentityLabelsOptions = {
  readonly pod: Pod;
  readonly namespace: Namespace;
  readonly clusterName: string;
  readonly filter: LabelFilter;
};

/**
 * Labels of a pod that count for its identity: its own and those derived from its namespace, service account
 * and cluster, as far as the filter lets them through. A user's label can never take a derived one's place
 * (CVE-2023-39347), nor pretend to be a label of the namespace (GHSA-pfhr-pccp-hwmh). With nothing left the
 * labels are `reserved:init`.
 */
export function podIdentityLabels(options: PodIdentityLabelsOptions): Labels {
  const { pod, namespace, clusterName, filter } = options;
  const own = Object.entries(pod.metadata.labels ?? {}).filter(
    ([key]) => !key.startsWith(derivedPrefix) && key !== namespaceKey,
  );
  const derived: [string, string][] = [
    [namespaceKey, pod.metadata.namespace ?? "default"],
    [`${derivedPrefix}.policy.cluster`, clusterName],
    ...Object.entries(namespace.metadata.labels ?? {}).map(([key, value]): [string, string] => [
      `${derivedPrefix}.namespace.labels.${key}`,
      value,
    ]),
  ];
  const account = pod.spec.serviceAccountName;
  if (account) derived.push([`${derivedPrefix}.policy.serviceaccount`, account]);
  const labels = Labels.of([...own, ...derived].map(toLabel)).filter(filter);
  return labels.size === 0 ? initLabels : labels;
}

/** Of a pod that the API server has not told of yet. */
export const initLabels: Labels = Labels.parse(["reserved:init"]);

function toLabel([key, value]: readonly [string, string]): Label {
  return { source: "k8s", key, value };
}
