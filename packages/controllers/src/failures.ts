// Answers of the API server that end an attempt without being an error.
import { KubeError } from "@tsilium/kube";

/** Nothing can be created in a namespace that ends, and nothing need be. */
export function isNamespaceGone(error: unknown): boolean {
  if (!(error instanceof KubeError)) return false;
  return (
    error.status === 404 ||
    (error.details?.causes ?? []).some((cause) => cause.reason === "NamespaceTerminating")
  );
}

/** Somebody else wrote or deleted the object first: the watch will bring that, and us back here. */
export function isOvertaken(error: unknown): boolean {
  return KubeError.isConflict(error) || KubeError.isNotFound(error);
}

/** Waits for a call whose object may be gone by now. @throws whatever else it fails with */
export async function ignoreNotFound(call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (!KubeError.isNotFound(error)) throw error;
  }
}
