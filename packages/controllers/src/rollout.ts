// How far a Deployment may move in one step. Pure: replica sets in, new sizes out.
import type { Deployment, ReplicaSet } from "@tsilium/kube";

export type Sizes = ReadonlyMap<ReplicaSet, number>;

const sizeOf = (set: ReplicaSet) => set.spec.replicas ?? 1;
const availableOf = (set: ReplicaSet) => set.status?.availableReplicas ?? 0;
const sum = (sets: readonly ReplicaSet[], read: (set: ReplicaSet) => number) =>
  sets.reduce((total, set) => total + read(set), 0);

/** "25%" of 10, or a plain number; surges round up, unavailability down. */
export function share(
  value: number | string | undefined,
  of: number,
  round: "up" | "down",
): number {
  if (typeof value === "number") return value;
  const percent = Number.parseInt(value ?? "25%", 10);
  const exact = (percent * of) / 100;
  return round === "up" ? Math.ceil(exact) : Math.floor(exact);
}

/**
 * Sizes for the sets of a deployment: `current` made from its template now, `old` from earlier ones, the
 * oldest first. Repeated as pods become available, it ends with all replicas in `current`.
 */
export function nextSizes(
  deployment: Deployment,
  current: ReplicaSet,
  old: readonly ReplicaSet[],
): Sizes {
  const replicas = deployment.spec.replicas ?? 1;
  const strategy = deployment.spec.strategy;
  const sizes = new Map<ReplicaSet, number>();
  if (deployment.spec.paused) {
    if (sum(old, sizeOf) === 0) sizes.set(current, replicas);
    return sizes;
  }
  if (strategy?.type === "Recreate") {
    for (const set of old) sizes.set(set, 0);
    const oldGone = old.every((set) => sizeOf(set) === 0 && (set.status?.replicas ?? 0) === 0);
    if (oldGone) sizes.set(current, replicas);
    return sizes;
  }
  const surge = share(strategy?.rollingUpdate?.maxSurge, replicas, "up");
  const asked = share(strategy?.rollingUpdate?.maxUnavailable, replicas, "down");
  // Both zero would never move.
  const unavailable = surge === 0 && asked === 0 ? 1 : asked;

  const room = replicas + surge - sum([current, ...old], sizeOf);
  const grown = Math.min(replicas, sizeOf(current) + Math.max(0, room));
  sizes.set(current, grown);
  shrinkOld(sizes, old, { replicas, unavailable, current });
  return sizes;
}

type Limits = {
  readonly replicas: number;
  readonly unavailable: number;
  readonly current: ReplicaSet;
};

/** Takes from the old sets what is not available first, then what the deployment can do without. */
function shrinkOld(
  sizes: Map<ReplicaSet, number>,
  old: readonly ReplicaSet[],
  limits: Limits,
): void {
  const { current } = limits;
  const minAvailable = limits.replicas - limits.unavailable;
  const notYetAvailable = Math.max(
    0,
    Math.min(sizeOf(current), limits.replicas) - availableOf(current),
  );
  let spare = sum([current, ...old], sizeOf) - minAvailable - notYetAvailable;
  for (const set of old) {
    const broken = Math.max(0, sizeOf(set) - availableOf(set));
    const cut = Math.min(broken, Math.max(0, spare));
    sizes.set(set, sizeOf(set) - cut);
    spare -= cut;
  }
  let dispensable = sum([current, ...old], availableOf) - minAvailable;
  for (const set of old) {
    const size = sizes.get(set) as number;
    const cut = Math.max(0, Math.min(size, dispensable, spare));
    sizes.set(set, size - cut);
    dispensable -= cut;
    spare -= cut;
  }
}
