// How a remote command ended, as clients read it: a metav1.Status.

export const success: Buffer = Buffer.from(JSON.stringify({ metadata: {}, status: "Success" }));

/** A command that ran: kubectl takes its exit status from the cause. */
export function exitStatus(status: number): Buffer {
  if (status === 0) return success;
  return failure(`command terminated with non-zero exit code: ${status}`, {
    reason: "NonZeroExitCode",
    details: { causes: [{ reason: "ExitCode", message: String(status) }] },
  });
}

/** A command that did not run. */
export function cannotRun(why: string): Buffer {
  return failure(`Internal error occurred: error executing command in container: ${why}`, {
    reason: "InternalError",
    details: { causes: [{ message: why }] },
    code: 500,
  });
}

function failure(message: string, more: object): Buffer {
  return Buffer.from(JSON.stringify({ metadata: {}, status: "Failure", message, ...more }));
}
