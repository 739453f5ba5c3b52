// The one error of this boundary: a system call that failed, by the kernel's own name for the reason.
import { constants } from "node:os";

/** Error numbers that node:os does not name: kernel-internal ones that leak out of bpf(2), and newer ones. */
const unnamed: Readonly<Record<number, string>> = {
  116: "ESTALE",
  126: "ENOKEY",
  524: "ENOTSUPP",
};

const names = new Map<number, string>(
  Object.entries(unnamed).map(([errno, name]) => [Number(errno), name]),
);
for (const [name, errno] of Object.entries(constants.errno)) {
  // EAGAIN and EWOULDBLOCK, ENOTSUP and EOPNOTSUPP share a number: the kernel's own spelling wins.
  if (name !== "EWOULDBLOCK" && name !== "ENOTSUP") names.set(errno, name);
}

/** "ENOENT" for 2; "E999" for a number nobody named. */
export function errnoName(errno: number): string {
  return names.get(errno) ?? `E${errno}`;
}

/** A system call that failed. `code` is the symbolic errno and is stable; the message is for people. */
export class SyscallError extends Error {
  override readonly name = "SyscallError";
  /** "ENOENT", "EPERM", ... */
  readonly code: string;
  readonly errno: number;
  /** The call's name, "bpf" or "setns". */
  readonly syscall: string;

  /** @param detail what the call was about ("/sys/fs/bpf/x"), appended to the message. */
  constructor(syscall: string, errno: number, detail?: string) {
    const code = errnoName(errno);
    super(detail ? `${syscall} ${detail}: ${code}` : `${syscall}: ${code}`);
    this.code = code;
    this.errno = errno;
    this.syscall = syscall;
  }
}

/** Whether `error` is a SyscallError with one of these codes. */
export function isSyscallError(error: unknown, ...codes: string[]): error is SyscallError {
  return error instanceof SyscallError && (codes.length === 0 || codes.includes(error.code));
}
