// A Deployment's history in the annotations of its ReplicaSets, as `kubectl rollout history` and `undo` read it. Pure.
import type { Deployment, ReplicaSet } from "@tsilium/kube";
import { share } from "./rollout.ts";

const prefix = "deployment.kubernetes.io/";
export const revisionAnnotation = `${prefix}revision`;
const historyAnnotation = `${prefix}revision-history`;
const desiredAnnotation = `${prefix}desired-replicas`;
const maxAnnotation = `${prefix}max-replicas`;
/** The deployment's own, not its sets'. */
const notCopied = new Set([
  "kubectl.kubernetes.io/last-applied-configuration",
  revisionAnnotation,
  historyAnnotation,
  desiredAnnotation,
  maxAnnotation,
  "deprecated.deployment.rollback.to",
]);

type Annotations = Readonly<Record<string, string>>;

/** 0 for a set that has none. */
export function revisionOf(set: Pick<ReplicaSet, "metadata">): number {
  const revision = Number(set.metadata.annotations?.[revisionAnnotation] ?? 0);
  return Number.isSafeInteger(revision) ? revision : 0;
}

/** The revision of the set that the template wants: the newest there is, so that going back is a step forward. */
export function currentRevision(
  current: ReplicaSet | undefined,
  old: readonly ReplicaSet[],
): number {
  const newest = Math.max(0, ...old.map(revisionOf));
  return Math.max(newest + 1, current ? revisionOf(current) : 0);
}

/** What the annotations of that set are to be. Also those that say why a change was made go with it. */
export function annotationsOf(
  deployment: Deployment,
  current: ReplicaSet | undefined,
  revision: number,
): Annotations {
  const { annotations = {} } = deployment.metadata;
  const copied = Object.entries(annotations).filter(([name]) => !notCopied.has(name));
  const before = current?.metadata.annotations ?? {};
  const earlier = current ? revisionOf(current) : 0;
  const history = (before[historyAnnotation] ?? "").split(",").filter((entry) => entry !== "");
  if (earlier > 0 && earlier !== revision) history.push(String(earlier));
  const replicas = deployment.spec.replicas ?? 1;
  return {
    ...before,
    ...Object.fromEntries(copied),
    [revisionAnnotation]: String(revision),
    ...(history.length > 0 ? { [historyAnnotation]: history.join(",") } : {}),
    [desiredAnnotation]: String(replicas),
    [maxAnnotation]: String(replicas + surgeOf(deployment)),
  };
}

function surgeOf({ spec }: Deployment): number {
  if (spec.strategy?.type === "Recreate") return 0;
  return share(spec.strategy?.rollingUpdate?.maxSurge, spec.replicas ?? 1, "up");
}
