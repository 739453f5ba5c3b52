// What is said of a request about a Secret that failed.
import { KubeError } from "@tsilium/kube";

/** Where the namespace and the rights are that all of this needs. */
export const rightsFile = "deploy/rbac/policy-secrets-sync.yaml";

/** They say what was wrong with an object or an answer, and may quote it. */
const quoting: ReadonlySet<string> = new Set(["BadAnswer", "BadRequest", "Invalid"]);

/** The error's message, or its code alone where the message may quote what was sent or read. */
export function errorText(error: unknown): string {
  if (error instanceof KubeError) return quoting.has(error.code) ? error.code : error.message;
  return error instanceof Error ? error.name : "unknown";
}
