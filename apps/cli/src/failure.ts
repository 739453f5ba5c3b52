// Errors as a user sees them: what failed, and what to do about it. A stack only with TSILIUM_DEBUG.

/** Thrown by commands for a fault that the user can mend; `hint` says how. */
export class CommandError extends Error {
  readonly hint: string | undefined;

  constructor(message: string, hint?: string, options?: ErrorOptions) {
    super(message, options);
    this.hint = hint;
  }
}

/** The text for stderr. */
export function explainFailure(error: unknown): string {
  if (process.env["TSILIUM_DEBUG"] && error instanceof Error) return error.stack ?? error.message;
  if (error instanceof CommandError)
    return `error: ${error.message}${error.hint ? `\n${error.hint}` : ""}`;
  return `error: ${error instanceof Error ? error.message : String(error)}`;
}
