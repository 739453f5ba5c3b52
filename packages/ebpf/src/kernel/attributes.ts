// Builds union bpf_attr (include/uapi/linux/bpf.h): fields by byte offset, pointers kept alive until the call
// is over. Offsets are written where they are used, beside the field's name.
import { addressOf, bpf, isSyscallError } from "@tsilium/syscall";

/** Commands of bpf(2). */
export const command = {
  mapCreate: 0,
  mapLookup: 1,
  mapUpdate: 2,
  mapDelete: 3,
  mapNextKey: 4,
  programLoad: 5,
  objectPin: 6,
  objectGet: 7,
  programTestRun: 10,
  programNextId: 11,
  mapNextId: 12,
  programFdById: 13,
  mapFdById: 14,
  objectInfo: 15,
  programQuery: 16,
  btfLoad: 18,
  btfFdById: 19,
  mapLookupAndDelete: 21,
  mapFreeze: 22,
  mapLookupBatch: 24,
  mapLookupAndDeleteBatch: 25,
  mapUpdateBatch: 26,
  mapDeleteBatch: 27,
  linkCreate: 28,
  linkUpdate: 29,
  linkFdById: 30,
  linkNextId: 31,
  enableStats: 32,
  linkDetach: 34,
} as const;

const mostAttempts = 10;

export class Attributes {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly #kept: Uint8Array[] = [];

  /** @param size bytes; what the kernel does not know of must be zero, what is missing reads as zero. */
  constructor(size: number) {
    this.bytes = new Uint8Array(size);
    this.view = new DataView(this.bytes.buffer);
  }

  u32(offset: number, value: number): this {
    this.view.setUint32(offset, value, true);
    return this;
  }

  u64(offset: number, value: bigint): this {
    this.view.setBigUint64(offset, value, true);
    return this;
  }

  /** The address of `bytes`, which live at least as long as this. */
  pointer(offset: number, bytes: Uint8Array): this {
    this.#kept.push(bytes);
    return this.u64(offset, addressOf(bytes));
  }

  /** The address of a C string. */
  text(offset: number, text: string): this {
    return this.pointer(offset, new TextEncoder().encode(`${text}\0`));
  }

  /** An object's name in place: what fits of 15 characters, others than the kernel takes replaced. */
  name(offset: number, name: string): this {
    const clean = name.replace(/[^A-Za-z0-9_.]/g, "_").slice(0, 15);
    this.bytes.set(new TextEncoder().encode(clean), offset);
    return this;
  }

  /**
   * Makes the call; starts again what a signal cut short (the verifier then answers EAGAIN, a test run EINTR).
   * @throws SyscallError
   */
  call(number: number): number {
    for (let attempt = 1; ; attempt++) {
      try {
        const result = bpf(number, this.bytes);
        // Reading the list here is what keeps the pointed-to arrays reachable during the call.
        return this.#kept.length >= 0 ? result : -1;
      } catch (error) {
        if (attempt === mostAttempts || !isSyscallError(error, "EAGAIN", "EINTR")) throw error;
      }
    }
  }
}

/** A C string within a fixed field. */
export function readFixedName(bytes: Uint8Array, offset: number, length = 16): string {
  const field = bytes.subarray(offset, offset + length);
  const end = field.indexOf(0);
  return new TextDecoder().decode(end < 0 ? field : field.subarray(0, end));
}

/** BPF_OBJ_GET_INFO_BY_FD into a buffer of `size`; shorter answers of older kernels leave zeros. */
export function objectInfo(fd: number, size: number): { bytes: Uint8Array; view: DataView } {
  const bytes = new Uint8Array(size);
  new Attributes(16).u32(0, fd).u32(4, size).pointer(8, bytes).call(command.objectInfo);
  return { bytes, view: new DataView(bytes.buffer) };
}
