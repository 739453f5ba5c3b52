// What /healthz and /metrics say of who leads.
import type { LeaderElection } from "@tsilium/kube";
import type { Page, PartHealth } from "@tsilium/runtime";

/** Waiting is no fault: there is a leader, or will be. */
export function leadershipHealth(election: LeaderElection): PartHealth {
  const name = "leader election";
  const { holder, isLeading, transitions, lost } = election;
  if (lost.aborted) return { name, state: "failed", message: (lost.reason as Error).message };
  const hands = `the Lease changed hands ${transitions} times`;
  if (isLeading) return { name, state: "ok", message: `leads as ${holder}; ${hands}` };
  if (holder === undefined)
    return { name, state: "degraded", message: "waits for the API server to say who leads" };
  return { name, state: "ok", message: `waits; ${holder || "nobody"} leads; ${hands}` };
}

/** The metrics of an operator that does not work; those of one that does are Metrics'. */
export const standbyMetrics: Page = async () => ({
  status: 200,
  type: "text/plain; version=0.0.4; charset=utf-8",
  body: [
    "# HELP tsilium_operator_leader 1: this operator leads; 0: another one does",
    "# TYPE tsilium_operator_leader gauge",
    "tsilium_operator_leader 0",
    "",
  ].join("\n"),
});
