// What makes a message one that we do not understand.

/** Bytes that are not the message they should be. Its text holds no bytes of the message. */
export class MalformedError extends Error {
  readonly code = "MALFORMED";
}

/** The message goes on beyond the bytes at hand; `length` bytes of it are needed before another try gets further. */
export class TruncatedError extends Error {
  readonly code = "TRUNCATED";
  readonly length: number;

  constructor(length: number) {
    super(`needs ${length} bytes`);
    this.length = length;
  }
}
