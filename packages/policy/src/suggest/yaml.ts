// Policies as YAML documents.
import { dump } from "js-yaml";
import type { PolicyManifest } from "./manifest.ts";

/** Documents with "---" between them; ends with a line break. */
export function writeYaml(policies: readonly PolicyManifest[]): string {
  return policies.map((policy) => dump(policy, { lineWidth: 100, noRefs: true })).join("---\n");
}
