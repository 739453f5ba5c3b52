// Keys about which of several operators works, named as Cilium's.
import { duration, type Keys, text } from "@tsilium/runtime/config.ts";

export const leaderKeys = {
  "k8s-namespace": text("kube-system", "namespace that the operator runs in; its Lease is there"),
  "leader-election-lease-duration": duration(
    15_000,
    "time for which operators that do not lead wait for one that does and is silent; whole seconds",
  ),
  "leader-election-renew-deadline": duration(
    10_000,
    "time for which the operator that leads goes on without having renewed its Lease; then it ends",
  ),
  "leader-election-retry-period": duration(
    2_000,
    "time between renewals of the Lease, and between looks of those that wait for it",
  ),
} satisfies Keys;

type LeaderTimes = Readonly<
  Record<
    | "leader-election-lease-duration"
    | "leader-election-renew-deadline"
    | "leader-election-retry-period",
    number
  >
>;

/** Times that would give the cluster two leaders, or none for long. */
export function leaderContradictions(config: LeaderTimes & { "k8s-namespace": string }): string[] {
  const leaseMs = config["leader-election-lease-duration"];
  const deadlineMs = config["leader-election-renew-deadline"];
  const retryMs = config["leader-election-retry-period"];
  const problems: string[] = [];
  if (leaseMs < 1_000 || leaseMs % 1_000 !== 0)
    problems.push("leader-election-lease-duration is not a whole number of seconds, 1s at least");
  if (deadlineMs >= leaseMs)
    problems.push(
      "leader-election-renew-deadline is not shorter than leader-election-lease-duration: two operators could lead",
    );
  // As long as a wait with its jitter may be, twice.
  if (retryMs <= 0 || retryMs * 2 >= deadlineMs)
    problems.push(
      "leader-election-retry-period is not less than half of leader-election-renew-deadline: one renewal that fails would end a leader",
    );
  if (!/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(config["k8s-namespace"]))
    problems.push("k8s-namespace is no name of a namespace");
  return problems;
}
