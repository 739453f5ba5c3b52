// The one error of this boundary.

/**
 * pool_exhausted: no free address of a family. address_in_use: somebody has the address that was asked for.
 * not_in_pool: the address is in none of the node's pod CIDRs, or is one of those never handed out.
 */
export type IpamErrorCode = "pool_exhausted" | "address_in_use" | "not_in_pool";

export class IpamError extends Error {
  override readonly name = "IpamError";
  readonly code: IpamErrorCode;

  constructor(code: IpamErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
