// Annotations under policy.tsilium.io/: on policies audit or enforce, and what the sender of a denied packet hears; on
// pods and namespaces audit.
import type { DenyResponse, Policy } from "../model.ts";
import { Field, Report } from "./field.ts";
import type { Problem } from "./result.ts";

const prefix = "policy.tsilium.io/";
const enforcementKey = `${prefix}enforcement`;
const responseKey = `${prefix}deny-response`;
const modes = ["enforce", "audit"] as const;
const responses: readonly DenyResponse[] = ["drop", "icmp", "rst"];

/** Of a policy: a wrong value is a problem. */
export function parseAnnotations(field: Field): Pick<Policy, "enforcement" | "denyResponse"> {
  const entries = new Map(field.entries());
  warnOfUnknown(entries, [enforcementKey, responseKey]);
  return {
    enforcement: entries.get(enforcementKey)?.oneOf(modes) ?? "enforce",
    denyResponse: entries.get(responseKey)?.oneOf(responses),
  };
}

/** Whether a pod or a namespace is in audit mode. What it says wrongly counts as not said, with a warning. */
export function parseSubjectAudit(annotations: unknown): {
  readonly audit: boolean;
  readonly warnings: readonly Problem[];
} {
  const report = new Report({ nullIsAbsent: true });
  const field = Field.root({ metadata: { annotations } }, report).at("metadata").at("annotations");
  const entries = new Map(field.entries());
  warnOfUnknown(entries, [enforcementKey]);
  const audit = entries.get(enforcementKey)?.oneOf(modes) === "audit";
  return { audit, warnings: [...report.problems, ...report.warnings] };
}

function warnOfUnknown(entries: ReadonlyMap<string, Field>, known: readonly string[]): void {
  for (const [key, field] of entries)
    if (key.startsWith(prefix) && !known.includes(key)) field.warn("no such annotation here");
}
