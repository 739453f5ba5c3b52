// The one error of this boundary.

/**
 * label_filter_invalid: a pattern of `--labels` is no regular expression. identities_exhausted: every number is
 * taken. identity_invalid: a CiliumIdentity that cannot be one.
 */
export type IdentityErrorCode =
  | "label_filter_invalid"
  | "identities_exhausted"
  | "identity_invalid";

export class IdentityError extends Error {
  override readonly name = "IdentityError";
  readonly code: IdentityErrorCode;

  constructor(code: IdentityErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
