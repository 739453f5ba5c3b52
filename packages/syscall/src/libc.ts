// libc as seen by the rest of this package: every call goes through `declare`, which turns -1 into a
// SyscallError and restarts calls that a signal interrupted. Nothing outside this package imports koffi.
import koffi from "koffi";
import { constants } from "node:os";
import { SyscallError } from "./errors.ts";

const libc = koffi.load(null);
const { EINTR, EAGAIN } = constants.errno;

/** What may be passed to libc: integers, strings (as char *), bytes or an address (as void *), null. */
export type Argument = number | bigint | string | Uint8Array | null;
type NativeFunction = (...args: readonly Argument[]) => number | bigint;

/** A libc function that answers a number, -1 meaning failure. */
export type Call = (...args: readonly Argument[]) => number;

/**
 * Declares a libc function from its C prototype ("int close(int fd)"). The result throws SyscallError when
 * libc answers -1, except that EINTR restarts the call.
 */
export function declare(prototype: string): Call {
  const { native, name } = load(prototype);
  return (...args) => {
    for (;;) {
      const result = Number(native(...args));
      if (result !== -1) return result;
      const errno = koffi.errno();
      if (errno !== EINTR) throw new SyscallError(name, errno);
    }
  };
}

/** Like `declare`, but answers undefined for EAGAIN: an empty non-blocking descriptor is an expected outcome. */
export function declareNonBlocking(
  prototype: string,
): (...args: readonly Argument[]) => number | undefined {
  const { native, name } = load(prototype);
  return (...args) => {
    for (;;) {
      const result = Number(native(...args));
      if (result !== -1) return result;
      const errno = koffi.errno();
      if (errno === EAGAIN) return undefined;
      if (errno !== EINTR) throw new SyscallError(name, errno);
    }
  };
}

/** A libc function whose answer is its own business (an address, or 0 for failure); errno by `lastErrno`. */
export function declareRaw(prototype: string): NativeFunction {
  return load(prototype).native;
}

/** errno as the calling thread's last libc call left it. */
export function lastErrno(): number {
  return koffi.errno();
}

/** Bytes at a native address as an ArrayBuffer; valid only until that memory is unmapped. */
export function viewOf(address: bigint, length: number): ArrayBuffer {
  return koffi.view(address, length);
}

/**
 * The address of the bytes, for embedding in structures that the kernel reads (bpf_attr, msghdr).
 * It stays true as long as the array lives: the caller keeps a reference until the call has returned.
 */
export function addressOf(bytes: Uint8Array): bigint {
  return koffi.address(bytes);
}

function load(prototype: string): { native: NativeFunction; name: string } {
  const native = libc.func(prototype) as NativeFunction & { info: { name: string } };
  return { native, name: native.info.name };
}
