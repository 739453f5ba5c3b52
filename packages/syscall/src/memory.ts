// Memory mappings. The ArrayBuffer of a mapping dies with it: touching it after `munmap` is a crash, so
// whoever maps keeps the buffer to itself and hands out copies.
import { declare, declareRaw, lastErrno, viewOf } from "./libc.ts";
import { SyscallError } from "./errors.ts";

export const PROT_READ = 1;
export const PROT_WRITE = 2;
export const MAP_SHARED = 1;
export const MAP_PRIVATE = 2;

const libcMmap = declareRaw(
  "intptr_t mmap(void *address, size_t length, int protection, int flags, int fd, int64_t offset)",
);
const libcMunmap = declare("int munmap(intptr_t address, size_t length)");
const sysconf = declare("int64_t sysconf(int name)");

const SC_PAGESIZE = 30;

/** Bytes per page of this machine. */
export const pageSize: number = sysconf(SC_PAGESIZE);

export type Mapping = {
  readonly address: bigint;
  readonly length: number;
  /** The mapped memory itself. */
  readonly buffer: ArrayBuffer;
};

/** What to map: `offset` and `length` in bytes, multiples of the page size. */
export type MmapOptions = {
  readonly fd: number;
  readonly length: number;
  readonly protection: number;
  readonly flags: number;
  readonly offset?: number;
};

/** Maps a file (or a BPF map) into memory. @throws SyscallError */
export function mmap(options: MmapOptions): Mapping {
  const { fd, length, protection, flags, offset = 0 } = options;
  const address = BigInt(libcMmap(null, length, protection, flags, fd, offset));
  if (address === -1n) throw new SyscallError("mmap", lastErrno());
  return { address, length, buffer: viewOf(address, length) };
}

/** Unmaps. Every view on `mapping.buffer` is invalid from here on. @throws SyscallError */
export function munmap(mapping: Mapping): void {
  libcMunmap(mapping.address, mapping.length);
}
