// Which workload a pod is of, by who controls it: as Cilium tells it in flows.
import type { Pod } from "@tsilium/kube";
import type { Workload } from "./model.ts";

const templateHash = "pod-template-hash";
/** A CronJob's Jobs have the time they were due behind its name. */
const jobOfCronJob = /^(.+)-\d{8,10}$/;

/** A pod that nobody controls is its own. */
export function workloadsOf({ metadata }: Pick<Pod, "metadata">): Workload[] {
  const owner = metadata.ownerReferences?.find(({ controller }) => controller);
  if (!owner) return metadata.name ? [{ name: metadata.name, kind: "Pod" }] : [];
  const { kind, name } = owner;
  const hash = metadata.labels?.[templateHash];
  if (kind === "ReplicaSet" && hash && name.endsWith(`-${hash}`))
    return [{ name: name.slice(0, -hash.length - 1), kind: "Deployment" }];
  const cronJob = kind === "Job" ? jobOfCronJob.exec(name)?.[1] : undefined;
  return [cronJob === undefined ? { name, kind } : { name: cronJob, kind: "CronJob" }];
}
