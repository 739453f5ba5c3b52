// What goes wrong with an endpoint, as one class.

/** Stable codes of EndpointError. */
export type EndpointErrorCode =
  | "id_exhausted"
  | "id_in_use"
  | "unknown_endpoint"
  | "attachment_exists"
  | "illegal_transition"
  | "state_file_invalid"
  | "netns_gone"
  | "netns_invalid"
  | "interface_exists"
  | "interface_missing"
  | "interface_mismatch"
  | "kernel_refused";

export class EndpointError extends Error {
  readonly code: EndpointErrorCode;

  constructor(code: EndpointErrorCode, message: string, options: { cause?: unknown } = {}) {
    super(`${code}: ${message}`, options);
    this.name = "EndpointError";
    this.code = code;
  }
}
