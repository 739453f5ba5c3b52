// For parts that a node can do without: what the kernel refuses is a reason to tell of, not to stop for.
import { BpfError, UnsupportedError } from "@tsilium/ebpf";
import { DatapathError } from "../errors.ts";

/** Runs `action`; answers why it could not be done here, undefined when it was. @throws whatever is a fault of ours */
export function whyNot(action: () => void): string | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    if (isRefusal(error)) return error.message;
    throw error;
  }
}

/** The kernel's (a verifier's too), the file system's, or an object that was not built. */
function isRefusal(error: unknown): error is Error {
  return (
    error instanceof BpfError ||
    error instanceof UnsupportedError ||
    (error instanceof DatapathError && error.code === "object_missing") ||
    (error instanceof Error && "syscall" in error)
  );
}
