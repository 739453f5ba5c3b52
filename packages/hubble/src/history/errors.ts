// What goes wrong with stored flows.

/**
 * locked: another process writes this folder. corrupt: bytes that nobody here wrote, or not all of them.
 * unsupported: a newer version's file. folder: it cannot be made or opened.
 */
export type HistoryErrorCode = "locked" | "corrupt" | "unsupported" | "folder";

/** A fault of the store. `code` is stable; the message is for people. */
export class HistoryError extends Error {
  override readonly name = "HistoryError";
  readonly code: HistoryErrorCode;

  constructor(code: HistoryErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** For what a decoder meets in bytes whose checksum was right: caught where blocks are read. */
export function corrupt(what: string): HistoryError {
  return new HistoryError("corrupt", `stored flows: ${what}`);
}
