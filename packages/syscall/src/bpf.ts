// bpf(2) itself: a command and an attribute block. What the blocks mean is @tsilium/ebpf's business.
import { SyscallError } from "./errors.ts";
import { declareRaw, lastErrno } from "./libc.ts";

const numbers: Readonly<Record<string, number>> = {
  x64: 321,
  arm64: 280,
  riscv64: 280,
  loong64: 280,
};
const bpfNumber = numbers[process.arch] ?? 280;

const syscall = declareRaw(
  "int64_t syscall(int64_t number, int64_t command, void *attributes, int64_t size)",
);

/**
 * One bpf(2) call; `attributes` is union bpf_attr, read and sometimes written by the kernel. Pointers inside
 * come from `addressOf`, and their arrays must be kept alive by the caller until this returns.
 * @throws SyscallError
 */
export function bpf(command: number, attributes: Uint8Array): number {
  const result = bpfRaw(command, attributes);
  if (result < 0) throw new SyscallError("bpf", -result);
  return result;
}

/** The same, answering -errno instead of throwing: for hot paths where a failure is an expected outcome. */
export function bpfRaw(command: number, attributes: Uint8Array): number {
  const result = Number(syscall(bpfNumber, command, attributes, attributes.byteLength));
  return result === -1 ? -lastErrno() : result;
}
