/** "not_found": the program is not there; "failed": it could not be started; "stuck": it does not end. */
export type LaunchErrorCode = "not_found" | "failed" | "stuck";

/** A proxy's process that does not start or end. The message is a sentence for `status`. */
export class LaunchError extends Error {
  override readonly name = "LaunchError";
  readonly code: LaunchErrorCode;

  constructor(code: LaunchErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
