// The one error of this boundary.

/**
 * pool_exhausted: no free address of a family. address_in_use: somebody has the address that was asked for.
 * not_in_pool: the address is in none of the node's pod CIDRs, or is one of those never handed out. unknown_pool: there is
 * no pool of the name that was asked for. not_here: in this mode somebody else hands out addresses.
 */
export type IpamErrorCode =
  | "pool_exhausted"
  | "address_in_use"
  | "not_in_pool"
  | "unknown_pool"
  | "not_here";

export class IpamError extends Error {
  override readonly name = "IpamError";
  readonly code: IpamErrorCode;

  constructor(code: IpamErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
