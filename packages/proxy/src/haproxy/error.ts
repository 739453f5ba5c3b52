/**
 * "failed": its process does not start or ended; "not_found": the program is not there; "refused": it says no to a
 * command; "timeout": it does not answer.
 */
export type HaproxyErrorCode = "failed" | "not_found" | "refused" | "timeout";

/** HAProxy that cannot be brought to what it should do. What it had in force stays. The message is a sentence for `status`. */
export class HaproxyError extends Error {
  override readonly name = "HaproxyError";
  readonly code: HaproxyErrorCode;

  constructor(code: HaproxyErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
