// The one error of this boundary: text or bytes that are not the value they claim to be.

/** What was wrong, for programs: stable names. */
export type AddressErrorCode =
  | "address_invalid"
  | "address_out_of_range"
  | "prefix_invalid"
  | "prefix_host_bits"
  | "mac_invalid"
  | "label_invalid";

/** A value that cannot be: `code` is stable, the message quotes the offending input. */
export class AddressError extends Error {
  override readonly name = "AddressError";
  readonly code: AddressErrorCode;

  constructor(code: AddressErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
