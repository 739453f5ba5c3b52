// Faults of a test itself, as opposed to assertions that do not hold (those are AssertionErrors).

export type TestErrorCode =
  | "port_invalid"
  | "request_invalid"
  | "manifest_invalid"
  | "policy_invalid"
  | "file_invalid"
  | "unknown_party"
  | "lab_failed"
  | "unsupported";

export class TestError extends Error {
  readonly code: TestErrorCode;

  constructor(code: TestErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "TestError";
    this.code = code;
  }
}
