// Labels that differ between pods of one workload, or from one roll-out to the next: a policy that named them would
// stop to match tomorrow.

const volatileKeys = new Set([
  "pod-template-hash",
  "pod-template-generation",
  "controller-revision-hash",
  "controller-uid",
  "job-name",
  "batch.kubernetes.io/controller-uid",
  "batch.kubernetes.io/job-name",
  "batch.kubernetes.io/job-completion-index",
  "statefulset.kubernetes.io/pod-name",
  "apps.kubernetes.io/pod-index",
  "rollouts-pod-template-hash",
]);

export function isVolatile(key: string): boolean {
  return volatileKeys.has(key);
}
