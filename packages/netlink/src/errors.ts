// The one error of this boundary: what the kernel answered to a request, with the request in words.
import { errnoName } from "@tsilium/syscall";

/** A refused request. `code` is the symbolic errno ("EEXIST"); ETIMEDOUT when no answer came. */
export class NetlinkError extends Error {
  override readonly name = "NetlinkError";
  readonly code: string;
  readonly errno: number;
  /** What was asked: "add link lxc1". */
  readonly request: string;
  /** The kernel's own words (extended acknowledgement), often empty. */
  readonly detail: string;

  constructor(request: string, errno: number, detail = "") {
    const code = errnoName(errno);
    super(detail ? `${request}: ${code} (${detail})` : `${request}: ${code}`);
    this.code = code;
    this.errno = errno;
    this.request = request;
    this.detail = detail;
  }
}
