// The one error of this boundary.

/**
 * throttled: too many calls, after all retries. no_addresses: the subnet has none left. no_prefixes: it has no whole /28
 * left. limit_exceeded: the interface, the instance or the account may have no more. index_in_use: another interface is
 * attached there. not_found, in_use: of what the call was about. forbidden: credentials are wrong or do not suffice.
 * unavailable: no answer, or one that says that the cloud is ill: the call may have been carried out. refused: anything
 * else.
 */
export type CloudErrorCode =
  | "throttled"
  | "no_addresses"
  | "no_prefixes"
  | "limit_exceeded"
  | "index_in_use"
  | "not_found"
  | "in_use"
  | "forbidden"
  | "unavailable"
  | "refused";

export class CloudError extends Error {
  override readonly name = "CloudError";
  readonly code: CloudErrorCode;
  /** The cloud's own word: "InvalidNetworkInterfaceID.NotFound". */
  readonly reason: string;
  readonly call: string;

  constructor(options: {
    readonly code: CloudErrorCode;
    readonly call: string;
    readonly reason: string;
    readonly message: string;
    readonly cause?: unknown;
  }) {
    const { code, call, reason, message, cause } = options;
    super(`${call}: ${reason}: ${message}`, cause === undefined ? undefined : { cause });
    this.code = code;
    this.call = call;
    this.reason = reason;
  }
}
