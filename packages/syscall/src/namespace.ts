// Namespaces and mounts. setns(2) moves the calling thread only, so everything between entering and leaving
// must be synchronous: `withNetns` is the way, the bare calls are for programs about to exec.
import { isPromise } from "node:util/types";
import { AF_INET, SO_NETNS_COOKIE, SOCK_DGRAM, SOL_SOCKET } from "./constants.ts";
import { close, open, O_RDONLY } from "./file.ts";
import { declare } from "./libc.ts";
import { isSyscallError, SyscallError } from "./errors.ts";
import { getsockopt, socket } from "./socket.ts";

export const CLONE_NEWNS = 0x00020000;
export const CLONE_NEWCGROUP = 0x02000000;
export const CLONE_NEWUTS = 0x04000000;
export const CLONE_NEWIPC = 0x08000000;
export const CLONE_NEWPID = 0x20000000;
export const CLONE_NEWNET = 0x40000000;

export const MS_RDONLY = 0x1;
export const MS_NOSUID = 0x2;
export const MS_NODEV = 0x4;
export const MS_NOEXEC = 0x8;
export const MS_REMOUNT = 0x20;
export const MS_BIND = 0x1000;
export const MS_REC = 0x4000;
export const MS_PRIVATE = 0x40000;
export const MS_SHARED = 0x100000;
export const MNT_DETACH = 2;

const libcSetns = declare("int setns(int fd, int type)");
const libcUnshare = declare("int unshare(int flags)");
const libcMount = declare(
  "int mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data)",
);
const libcUmount = declare("int umount2(const char *target, int flags)");

/** Moves the calling thread into the namespace behind `fd`. `type`: CLONE_NEW* or 0 for any. */
export function setns(fd: number, type: number): void {
  libcSetns(fd, type);
}

/** Gives the calling thread new namespaces of its own. `flags`: CLONE_NEW*. */
export function unshare(flags: number): void {
  libcUnshare(flags);
}

export type MountOptions = {
  readonly source: string;
  readonly target: string;
  /** "bpf", "tmpfs", ...; null for bind mounts and changes of propagation. */
  readonly type: string | null;
  readonly flags?: number;
  readonly data?: string;
};

/** mount(2). @throws SyscallError, naming the target. */
export function mount(options: MountOptions): void {
  const { source, target, type, flags = 0, data = null } = options;
  try {
    libcMount(source, target, type, flags, data);
  } catch (error) {
    throw error instanceof SyscallError ? new SyscallError("mount", error.errno, target) : error;
  }
}

/** umount2(2); false when nothing was mounted there. `flags`: MNT_DETACH. @throws SyscallError */
export function umount2(target: string, flags = 0): boolean {
  try {
    libcUmount(target, flags);
    return true;
  } catch (error) {
    if (isSyscallError(error, "EINVAL", "ENOENT")) return false;
    throw error;
  }
}

/**
 * Runs `action` with the calling thread in another network namespace and comes back, also when it throws.
 * Sockets opened inside stay there for life; child processes spawned inside start there.
 *
 * `action` must be synchronous: an async one would resume in the wrong namespace, so a promise is refused
 * (after coming back). If coming back is impossible the process aborts, since every later socket would be
 * made in the wrong place.
 *
 * @param target a path ("/var/run/netns/x", "/proc/1/ns/net") or an open descriptor of a namespace.
 * @throws SyscallError ENOENT when there is no such path, EINVAL when it is not a network namespace.
 */
export function withNetns<T>(target: string | number, action: () => T): T {
  const home = open("/proc/thread-self/ns/net", O_RDONLY);
  try {
    enter(target);
    try {
      return refusePromise(action());
    } finally {
      goBack(home);
    }
  } finally {
    close(home);
  }
}

/**
 * SO_NETNS_COOKIE of the namespace that the thread is in: not 0, and not given twice until the machine starts anew.
 * @throws SyscallError ENOPROTOOPT before Linux 5.14
 */
export function ownNetnsCookie(): bigint {
  const fd = socket(AF_INET, SOCK_DGRAM);
  try {
    const value = getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, 8);
    return new DataView(value.buffer, value.byteOffset).getBigUint64(0, true);
  } finally {
    close(fd);
  }
}

function enter(target: string | number): void {
  if (typeof target === "number") return setns(target, CLONE_NEWNET);
  const fd = openNamed(target);
  try {
    libcSetns(fd, CLONE_NEWNET);
  } catch (error) {
    throw error instanceof SyscallError ? new SyscallError("setns", error.errno, target) : error;
  } finally {
    close(fd);
  }
}

function openNamed(path: string): number {
  try {
    return open(path, O_RDONLY);
  } catch (error) {
    throw error instanceof SyscallError ? new SyscallError("open", error.errno, path) : error;
  }
}

function goBack(home: number): void {
  try {
    libcSetns(home, CLONE_NEWNET);
  } catch (error) {
    console.error("cannot return to the network namespace this process belongs to:", error);
    process.abort();
  }
}

function refusePromise<T>(result: T): T {
  if (!isPromise(result)) return result;
  result.catch(() => {});
  throw new TypeError("withNetns needs a synchronous action: it returned a promise");
}
