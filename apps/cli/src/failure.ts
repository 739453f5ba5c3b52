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
  if (!(error instanceof Error)) return `error: ${String(error)}`;
  if (error.name === "TimeoutError")
    return `error: no answer in time\n${hints["ConnectionFailed"]}`;
  const hint = hints[(error as NodeJS.ErrnoException).code ?? ""];
  return `error: ${withoutRequest(error)}${hint ? `\n${hint}` : ""}`;
}

const hints: Record<string, string | undefined> = {
  EACCES: "This belongs to root: try again with sudo.",
  EPERM: "Only root may do this: try again with sudo.",
  ConnectionFailed: "Is the API server up? `tsilium lab status` says so.",
};

/** A KubeError starts with the request it was the answer to, which no user asked for. */
function withoutRequest(error: Error): string {
  if (error.name !== "KubeError") return error.message;
  return error.message.replace(/^[A-Z]+ \/\S*: /, "");
}
