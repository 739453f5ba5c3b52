// What the REST API answers when it cannot do what was asked.

/** An answer of 4xx or 5xx. `message` is for people and goes into the body. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.code = code;
  }
}
