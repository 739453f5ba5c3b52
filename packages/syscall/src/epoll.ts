// epoll(7): waits for readiness of many descriptors. Blocking waits belong in worker threads.
import { constants } from "node:os";
import { SyscallError } from "./errors.ts";
import { declare, declareRaw, lastErrno } from "./libc.ts";

export const EPOLLIN = 0x1;
export const EPOLLOUT = 0x4;
export const EPOLLERR = 0x8;
export const EPOLLHUP = 0x10;
export const EPOLLET = 0x80000000;

export const EPOLL_CTL_ADD = 1;
export const EPOLL_CTL_DEL = 2;
export const EPOLL_CTL_MOD = 3;

// struct epoll_event is packed on x86 only (include/uapi/linux/eventpoll.h).
const eventSize = process.arch === "x64" ? 12 : 16;
const dataOffset = eventSize - 8;

const libcCreate = declare("int epoll_create1(int flags)");
const libcControl = declare("int epoll_ctl(int epoll, int operation, int fd, void *event)");
const libcWait = declareRaw("int epoll_wait(int epoll, void *events, int count, int timeout)");

export type EpollEvent = { readonly fd: number; readonly events: number };

/** A new epoll descriptor, close-on-exec. */
export function epollCreate(): number {
  return libcCreate(0o2000000);
}

/** Adds, changes or removes `fd`; its number comes back in the events. @throws SyscallError */
export function epollCtl(epoll: number, operation: number, target: EpollEvent): void {
  const event = new DataView(new ArrayBuffer(eventSize));
  event.setUint32(0, target.events >>> 0, true);
  event.setUint32(dataOffset, target.fd, true);
  libcControl(epoll, operation, target.fd, new Uint8Array(event.buffer));
}

/**
 * Waits for at most `timeoutMs` (-1: for ever; 0: not at all) and answers what is ready. An interruption by a
 * signal answers an empty list, like a timeout. @throws SyscallError
 */
export function epollWait(epoll: number, timeoutMs: number, maximum = 16): EpollEvent[] {
  const buffer = new Uint8Array(eventSize * maximum);
  const count = Number(libcWait(epoll, buffer, maximum, timeoutMs));
  if (count < 0) {
    const errno = lastErrno();
    if (errno === constants.errno.EINTR) return [];
    throw new SyscallError("epoll_wait", errno);
  }
  const view = new DataView(buffer.buffer);
  return Array.from({ length: count }, (_, index) => ({
    events: view.getUint32(index * eventSize, true),
    fd: view.getUint32(index * eventSize + dataOffset, true),
  }));
}
