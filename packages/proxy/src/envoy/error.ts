/** "not_connected": there is no Envoy; "timeout": it does not answer; "failed": its process does not start or ended. */
export type EnvoyErrorCode = "not_connected" | "timeout" | "failed";

/** Envoy that cannot be brought to what it should do. What it had in force stays. The message is a sentence for `status`. */
export class EnvoyError extends Error {
  override readonly name = "EnvoyError";
  readonly code: EnvoyErrorCode;

  constructor(code: EnvoyErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
