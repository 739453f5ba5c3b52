// What the codec throws, and nothing else.

export type CodecErrorCode =
  /** Bytes end where more were announced. */
  | "truncated"
  /** A number of more than ten bytes. */
  | "varint"
  /** A field number or a wire type that does not exist. */
  | "tag"
  /** A string that is not UTF-8. */
  | "utf8"
  /** A timestamp outside of years 1 to 9999. */
  | "time"
  /** Well-formed, but no such message, or JSON that is not one. */
  | "message"
  /** A path of a field mask that flow.Flow does not have. */
  | "mask";

export class CodecError extends Error {
  override readonly name = "CodecError";
  readonly code: CodecErrorCode;

  constructor(code: CodecErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
