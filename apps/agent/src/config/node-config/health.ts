// What `status` says of this node's own settings.
import type { PartHealth } from "@tsilium/runtime";
import type { ResolvedSettings } from "./resolve.ts";

/** @param ignored overrides that are not in force, and why */
export function nodeSettingsHealth(
  { overrides, problems, staleBecause }: ResolvedSettings,
  ignored: readonly string[],
): Omit<PartHealth, "name"> {
  const faults = [...problems, ...ignored];
  if (faults.length > 0) return { state: "degraded", message: faults.join("; ") };
  const objects = new Set(overrides.map(({ source }) => source));
  const what =
    objects.size === 0
      ? "no CiliumNodeConfig is for this node"
      : `${overrides.length} keys of ${[...objects].join(", ")}`;
  if (staleBecause === undefined) return { state: "ok", message: what };
  return { state: "degraded", message: `${what}, as at the last start: ${staleBecause}` };
}
