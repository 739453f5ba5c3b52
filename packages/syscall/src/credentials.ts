// Who this process is to the kernel, and what it may do. Users and groups are changed for all threads (libc sees to
// it); capabilities and prctl(2) settings are the calling thread's own, and those of threads that it makes later.
import { addressOf, declare } from "./libc.ts";

export const CAP_NET_RAW = 13;

export const PR_SET_DUMPABLE = 4;
export const PR_SET_KEEPCAPS = 8;
export const PR_SET_NO_NEW_PRIVS = 38;
export const PR_CAPBSET_DROP = 24;
export const PR_CAP_AMBIENT = 47;
export const PR_CAP_AMBIENT_CLEAR_ALL = 4;

const numbers = {
  x64: { capset: 126, seccomp: 317 },
  other: { capset: 91, seccomp: 277 },
};
const { capset: capsetNumber, seccomp: seccompNumber } =
  process.arch === "x64" ? numbers.x64 : numbers.other;

const libcSetgroups = declare("int setgroups(size_t count, void *groups)");
const libcSetresgid = declare("int setresgid(uint32_t real, uint32_t effective, uint32_t saved)");
const libcSetresuid = declare("int setresuid(uint32_t real, uint32_t effective, uint32_t saved)");
const libcPrctl = declare(
  "int prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)",
);
const syscall = declare("int64_t syscall(int64_t number, int64_t a, int64_t b, void *c)");
const capsetCall = declare("int64_t syscall(int64_t number, void *header, void *data)");

/** Replaces the supplementary groups. @throws SyscallError EPERM */
export function setgroups(groups: readonly number[]): void {
  libcSetgroups(groups.length, new Uint8Array(Uint32Array.from(groups).buffer));
}

/** Real, effective and saved group. @throws SyscallError EPERM */
export function setresgid(gid: number): void {
  libcSetresgid(gid, gid, gid);
}

/** Real, effective and saved user. @throws SyscallError EPERM */
export function setresuid(uid: number): void {
  libcSetresuid(uid, uid, uid);
}

/** prctl(2) with up to two arguments. @throws SyscallError */
export function prctl(option: number, first = 0, second = 0): number {
  return libcPrctl(option, first, second, 0, 0);
}

/** Sets the calling thread's effective and permitted capabilities (CAP_*); none are inheritable. @throws SyscallError EPERM */
export function capset(capabilities: readonly number[]): void {
  const bits = capabilities.reduce((sum, capability) => sum | (1n << BigInt(capability)), 0n);
  // _LINUX_CAPABILITY_VERSION_3, of this thread.
  const header = new Uint8Array(new Uint32Array([0x2008_0522, 0]).buffer);
  const low = Number(bits & 0xffff_ffffn);
  const high = Number(bits >> 32n);
  const data = new Uint8Array(new Uint32Array([low, low, 0, high, high, 0]).buffer);
  capsetCall(capsetNumber, header, data);
}

const SECCOMP_SET_MODE_FILTER = 1;
const SECCOMP_FILTER_FLAG_TSYNC = 1;

/**
 * Puts a seccomp(2) filter (struct sock_filter[]) on every thread of the process; with it they all get the calling
 * thread's no_new_privs. @throws SyscallError EACCES without no_new_privs
 */
export function seccompAllThreads(filter: Uint8Array): void {
  const program = new DataView(new ArrayBuffer(16));
  program.setUint16(0, filter.byteLength / 8, true);
  program.setBigUint64(8, addressOf(filter), true);
  const bytes = new Uint8Array(program.buffer);
  syscall(seccompNumber, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, bytes);
  // The kernel follows a pointer to it: it must not be collected before.
  filter.at(0);
}
