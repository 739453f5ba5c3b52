// epoll(7) for many descriptors at once without a callback object each. An Epoll's own descriptor is readable when one
// of its members is ready, so `watchReadable` joins it to Node's event loop.
import { close } from "./file.ts";
import { declare } from "./libc.ts";

export const EPOLLIN = 0x1;
export const EPOLLOUT = 0x4;
export const EPOLLERR = 0x8;
export const EPOLLHUP = 0x10;

const CTL_ADD = 1;
const CTL_DEL = 2;
const EPOLL_CLOEXEC = 0o2000000;
// struct epoll_event is packed on x86-64 alone.
const eventSize = process.arch === "x64" ? 12 : 16;
const dataOffset = eventSize - 8;

const libcCreate = declare("int epoll_create1(int flags)");
const libcCtl = declare("int epoll_ctl(int epfd, int operation, int fd, void *event)");
const libcWait = declare("int epoll_wait(int epfd, void *events, int max, int timeoutMs)");

/** Descriptors that are waited for, level-triggered. */
export class Epoll implements Disposable {
  readonly fd: number = libcCreate(EPOLL_CLOEXEC);
  readonly #events: Uint8Array;
  readonly #view: DataView;
  readonly #max: number;
  readonly #event = new DataView(new ArrayBuffer(128));
  readonly #eventBytes = new Uint8Array(this.#event.buffer);

  /** @param max how many ready descriptors one `wait` answers at most. */
  constructor(max = 64) {
    this.#max = max;
    this.#view = new DataView(new ArrayBuffer(Math.max(max * eventSize, 128)));
    this.#events = new Uint8Array(this.#view.buffer);
  }

  /** @param events EPOLL*, EPOLLERR and EPOLLHUP are always there. @throws SyscallError EEXIST */
  add(fd: number, events: number = EPOLLIN): void {
    this.#event.setUint32(0, events, true);
    this.#event.setUint32(dataOffset, fd, true);
    libcCtl(this.fd, CTL_ADD, fd, this.#eventBytes);
  }

  /** Before the descriptor is closed, when it has duplicates; else closing suffices. @throws SyscallError ENOENT */
  remove(fd: number): void {
    libcCtl(this.fd, CTL_DEL, fd, this.#eventBytes);
  }

  /** How many are ready: `fdAt(0)` and so on. `timeoutMs` 0 does not wait. @throws SyscallError */
  wait(timeoutMs = 0): number {
    return libcWait(this.fd, this.#events, this.#max, timeoutMs);
  }

  fdAt(index: number): number {
    return this.#view.getUint32(index * eventSize + dataOffset, true);
  }

  eventsAt(index: number): number {
    return this.#view.getUint32(index * eventSize, true);
  }

  [Symbol.dispose](): void {
    close(this.fd);
  }
}
