// What goes wrong between the agent and its policy worker.

export type PolicyErrorCode =
  /** There is no worker at the moment; another is about to be started. */
  | "worker_down"
  /** The worker could not answer a question. */
  | "refused"
  /** Policy is not in the kernel within the time that was given. */
  | "not_in_force";

export class PolicyError extends Error {
  override readonly name = "PolicyError";
  readonly code: PolicyErrorCode;

  constructor(code: PolicyErrorCode, message: string, options: { readonly cause?: unknown } = {}) {
    super(message, options);
    this.code = code;
  }
}
