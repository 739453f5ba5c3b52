// How policy is, in one sentence.
import type { PartHealth } from "@tsilium/runtime";
import type { ClientStatus } from "./client.ts";
import type { Condition } from "./model.ts";

export function policyHealth({ down, report }: ClientStatus): Omit<PartHealth, "name"> {
  if (down !== undefined) {
    return {
      state: "failed",
      message: `the policy worker is down (${down}): policies in force stay, pods cannot be added`,
    };
  }
  if (!report?.synced) {
    return { state: "degraded", message: "waiting for all policies, identities and addresses" };
  }
  const [first] = report.conditions;
  if (first) {
    const others = report.conditionCount > 1 ? ` and ${report.conditionCount - 1} more` : "";
    return {
      state: "degraded",
      message: `${whatHolds(first)}: ${first.name}: ${first.reason}${others}`,
    };
  }
  const { policies, invalidPolicies, slots, revision } = report;
  const invalid = invalidPolicies > 0 ? `, ${invalidPolicies} of them not valid` : "";
  return {
    state: "ok",
    message: `${policies} policies${invalid}, revision ${revision}, ${slots} slots`,
  };
}

function whatHolds({ kind, denies }: Condition): string {
  if (denies) return "policies are in force, and what lacks a listener is denied";
  if (kind === "connections") return "policies are in force, but for connections that proxies have";
  return kind === "file" ? "policies are in force" : "what was in force stays";
}
