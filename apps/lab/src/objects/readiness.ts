// Whether what was applied is there: pods ready, workloads complete. Pure; answers what lags, in words.
import type { DaemonSet, Deployment, Pod } from "@tsilium/kube";

export type Workloads = {
  readonly pods: readonly Pod[];
  readonly deployments: readonly Deployment[];
  readonly daemonSets: readonly DaemonSet[];
};

/** One line per thing that is not ready; empty when everything is. */
export function lagging({ pods, deployments, daemonSets }: Workloads): string[] {
  return [
    ...deployments.flatMap(laggingDeployment),
    ...daemonSets.flatMap(laggingDaemonSet),
    ...pods.flatMap(laggingPod),
  ];
}

function laggingPod(pod: Pod): string[] {
  const { metadata, status } = pod;
  // One that has done its work, or is on its way out, is not waited for.
  if (metadata.deletionTimestamp !== undefined || status?.phase === "Succeeded") return [];
  const ready = status?.conditions?.find(({ type }) => type === "Ready");
  if (ready?.status === "True") return [];
  return [`pod ${metadata.namespace}/${metadata.name}: ${reasonOf(pod)}`];
}

function reasonOf({ spec, status }: Pod): string {
  const states = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
  for (const { name, state } of states) {
    const why = state?.waiting ?? (state?.terminated?.exitCode ? state.terminated : undefined);
    if (!why?.reason || why.reason === "PodInitializing" || why.reason === "ContainerCreating")
      continue;
    return `container ${name}: ${why.reason}${why.message ? `: ${why.message}` : ""}`;
  }
  const trouble = (status?.conditions ?? []).find(
    ({ type, status: state }) => type === "PodReadyToStartContainers" && state === "False",
  );
  if (trouble?.message) return trouble.message;
  if (!spec.nodeName) return "not bound to a node";
  return status?.phase === "Running" ? "running, not ready" : (status?.phase ?? "Pending");
}

function laggingDeployment({ metadata, spec, status = {} }: Deployment): string[] {
  const wanted = spec.replicas ?? 1;
  const seen = (status.observedGeneration ?? 0) >= (metadata.generation ?? 1);
  const { updatedReplicas = 0, availableReplicas = 0, replicas = 0 } = status;
  if (seen && updatedReplicas === wanted && availableReplicas === wanted && replicas === wanted)
    return [];
  return [
    `deployment ${metadata.namespace}/${metadata.name}: ${availableReplicas} of ${wanted} pods are ready`,
  ];
}

function laggingDaemonSet({ metadata, status = {} }: DaemonSet): string[] {
  const seen = (status.observedGeneration ?? 0) >= (metadata.generation ?? 1);
  const { desiredNumberScheduled = 0, numberAvailable = 0, updatedNumberScheduled = 0 } = status;
  const complete =
    numberAvailable === desiredNumberScheduled && updatedNumberScheduled === desiredNumberScheduled;
  if (seen && complete) return [];
  return [
    `daemonset ${metadata.namespace}/${metadata.name}: ${numberAvailable} of ${desiredNumberScheduled} pods are ready`,
  ];
}
