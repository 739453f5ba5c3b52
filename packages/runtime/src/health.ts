// How a part of a process is, told the same way by every process.
import type { ReconcilerStatus } from "@tsilium/tables";

/** degraded: something waits or is tried again, which a restart would not change. disabled: somebody wanted it so. */
export type HealthState = "ok" | "degraded" | "failed" | "disabled";

export type PartHealth = {
  readonly name: string;
  readonly state: HealthState;
  /** One sentence; for ok a fact or two. */
  readonly message: string;
};

/** The state of the whole: "disabled" counts as ok. */
export function worst(parts: readonly PartHealth[]): HealthState {
  if (parts.some(({ state }) => state === "failed")) return "failed";
  return parts.some(({ state }) => state === "degraded") ? "degraded" : "ok";
}

/** What a reconciler cannot do now it tries again; work in hand is no illness. */
export function reconcilerHealth(
  name: string,
  { pending, failing }: Pick<ReconcilerStatus, "pending" | "failing">,
): PartHealth {
  const [first] = failing;
  if (!first) return { name, state: "ok", message: `${pending} pending` };
  const others = failing.length > 1 ? ` and ${failing.length - 1} others` : "";
  const message = `${first.key}${others} failing (attempt ${first.attempts}): ${first.error}`;
  return { name, state: "degraded", message };
}
