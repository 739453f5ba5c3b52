// Versions of what is served: of content, so that they mean the same after a restart of the agent.
import { createHash } from "node:crypto";
import type { ResourceSet } from "../resources/resources.ts";

/** Sixteen hexadecimal digits. */
export function versionOf(resources: ResourceSet): string {
  const hash = createHash("sha256");
  for (const [name, { bytes }] of [...resources].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    hash.update(`${name.length} ${name} ${bytes.length} `).update(bytes);
  }
  return hash.digest("hex").slice(0, 16);
}
