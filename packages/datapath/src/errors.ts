// The one error class of this package's boundary: what was being done to the datapath, and why it failed.

/**
 * Stable codes of {@link DatapathError}:
 * - `object_missing`: a compiled eBPF object, or a program or map in it, is not there;
 * - `constant_unknown`: an object lacks a load-time constant that it must have;
 * - `device_missing`: a configured network device does not exist;
 * - `map_open`: a pinned map cannot be opened, created or migrated;
 * - `attach`: a program cannot be attached or replaced at its hook;
 * - `map_full`: a table has no room for what is to be written;
 * - `not_running`: no pinned maps under this root (the agent has never run here);
 * - `bad_config`: the configuration contradicts itself.
 */
export type DatapathErrorCode =
  | "object_missing"
  | "constant_unknown"
  | "device_missing"
  | "map_open"
  | "attach"
  | "map_full"
  | "not_running"
  | "bad_config";

/** A fault of the datapath; the kernel's own error, if any, is the `cause`. */
export class DatapathError extends Error {
  override readonly name = "DatapathError";
  readonly code: DatapathErrorCode;

  constructor(code: DatapathErrorCode, message: string, options?: { cause?: unknown }) {
    const cause = options?.cause;
    super(cause instanceof Error ? `${message}: ${cause.message}` : message, options);
    this.code = code;
  }
}
