// CNI errors: what a container runtime reads on the plugin's standard output. Codes 1-11 and 50-51 are the
// specification's (1.1.0, "Error"), 100 and up are ours.

/** Error codes. A runtime acts on 3 (nothing to clean up) and 11 (retry); people read the others. */
export const cniCode = {
  incompatibleVersion: 1,
  unsupportedField: 2,
  unknownContainer: 3,
  invalidEnvironment: 4,
  ioFailure: 5,
  undecodable: 6,
  invalidConfig: 7,
  /** The namespace path leads to no network namespace of a container. */
  invalidNetns: 8,
  tryAgainLater: 11,
  unavailable: 50,
  /** As 50, and containers that run already may have lost connectivity. */
  limitedConnectivity: 51,
  internal: 100,
  unhealthy: 101,
  podUnknown: 102,
  poolExhausted: 103,
  alreadyAttached: 104,
  kernelRefused: 105,
  checkFailed: 106,
  /** The plugin that hands out addresses failed. */
  ipamPluginFailed: 107,
} as const;
export type CniCode = (typeof cniCode)[keyof typeof cniCode];

/** A CNI command that cannot be answered with success. `message` says what, `details` why and what to do. */
export class CniError extends Error {
  readonly code: CniCode;
  readonly details: string;

  constructor(code: CniCode, message: string, options: { details?: string; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.name = "CniError";
    this.code = code;
    this.details = options.details ?? "";
  }
}

/** The error's JSON as the plugin prints it. */
export function formatError(error: CniError, cniVersion: string): string {
  return `${JSON.stringify({
    cniVersion,
    code: error.code,
    msg: error.message,
    ...(error.details === "" ? {} : { details: error.details }),
  })}\n`;
}
