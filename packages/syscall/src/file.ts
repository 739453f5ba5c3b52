// File descriptors: plain numbers, as everywhere in POSIX. Whoever opens one closes it.
import { declare, declareNonBlocking } from "./libc.ts";

export const O_RDONLY = 0o0;
export const O_WRONLY = 0o1;
export const O_RDWR = 0o2;
export const O_NONBLOCK = 0o4000;
export const O_PATH = 0o10000000;
export const O_CLOEXEC = 0o2000000;
export const O_DIRECTORY = 0o200000;

export const F_DUPFD_CLOEXEC = 1030;
export const F_GETFD = 1;
export const F_SETFD = 2;
export const F_GETFL = 3;
export const F_SETFL = 4;
export const FD_CLOEXEC = 1;

const libcOpen = declare("int open(const char *path, int flags, int mode)");
const libcClose = declare("int close(int fd)");
const libcRead = declareNonBlocking("int64_t read(int fd, void *buffer, size_t length)");
const libcWrite = declareNonBlocking("int64_t write(int fd, void *buffer, size_t length)");
const libcIoctl = declare("int ioctl(int fd, unsigned long request, void *argument)");
const libcFcntl = declare("int fcntl(int fd, int command, int64_t argument)");

/** Opens a file; O_CLOEXEC is always added. @throws SyscallError */
export function open(path: string, flags: number, mode = 0o600): number {
  return libcOpen(path, flags | O_CLOEXEC, mode);
}

/** Closes a descriptor. @throws SyscallError EBADF: closing twice is a bug that hits somebody else's file. */
export function close(fd: number): void {
  libcClose(fd);
}

/** A second descriptor for the same open file, close-on-exec. @throws SyscallError */
export function dup(fd: number): number {
  return libcFcntl(fd, F_DUPFD_CLOEXEC, 0);
}

/** Reads into `buffer`: bytes read, 0 at the end of the file, undefined where it would block. */
export function read(fd: number, buffer: Uint8Array): number | undefined {
  return libcRead(fd, buffer, buffer.byteLength);
}

/** Writes `bytes`: how many were taken, undefined where it would block. @throws SyscallError */
export function write(fd: number, bytes: Uint8Array): number | undefined {
  return libcWrite(fd, bytes, bytes.byteLength);
}

/** ioctl(2) with bytes (read and written in place) or an integer that stands for itself. */
export function ioctl(fd: number, request: number, argument: Uint8Array | bigint | null): number {
  return libcIoctl(fd, request, argument);
}

/** fcntl(2) with an integer argument. @throws SyscallError */
export function fcntl(fd: number, command: number, argument = 0): number {
  return libcFcntl(fd, command, argument);
}
