// The errors of this package: an object file that cannot be used, a kernel that said no, a program that the
// verifier rejected. Each has a stable `code`.
import { SyscallError } from "@tsilium/syscall";

export type ObjectErrorCode =
  | "elf_invalid"
  | "btf_invalid"
  | "map_invalid"
  | "section_unknown"
  | "relocation_unsupported"
  | "symbol_missing"
  | "constant_unknown"
  | "constant_size";

/** An object file, or an edit to its specification, that makes no sense. No kernel was involved. */
export class ObjectError extends Error {
  override readonly name = "ObjectError";
  readonly code: ObjectErrorCode;

  constructor(code: ObjectErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** bpf(2) refused. `code` is the errno's name: "ENOSPC", "E2BIG". */
export class BpfError extends Error {
  override readonly name: string = "BpfError";
  readonly code: string;
  /** What was attempted: "map_update tsi_ct4". */
  readonly operation: string;

  constructor(operation: string, cause: SyscallError, facts?: string) {
    super(`${operation}: ${cause.code}${facts ? ` (${facts})` : ""}`, { cause });
    this.code = cause.code;
    this.operation = operation;
  }
}

/** The verifier rejected a program. The message ends with the lines that tell why; `log` is all it said. */
export class VerifierError extends BpfError {
  override readonly name = "VerifierError";
  readonly log: string;
  /** The last telling lines of the log, as in the message. */
  readonly lines: readonly string[];

  constructor(program: string, cause: SyscallError, log: string) {
    const lines = tellingLines(log);
    super(`load of program ${program}`, cause, undefined);
    if (lines.length > 0) this.message += `\n  ${lines.join("\n  ")}`;
    this.log = log;
    this.lines = lines;
  }
}

/** A kernel feature that is not there, and the first kernel that has it. */
export class UnsupportedError extends Error {
  override readonly name = "UnsupportedError";
  readonly code = "unsupported";
  readonly feature: string;
  /** First kernel version with the feature, "6.6". */
  readonly sinceKernel: string;

  constructor(feature: string, sinceKernel: string, detail: string) {
    super(`this kernel lacks ${feature}, which came with Linux ${sinceKernel}: ${detail}`);
    this.feature = feature;
    this.sinceKernel = sinceKernel;
  }
}

/** Runs a bpf(2) call and says what it was for when the kernel refuses. @throws BpfError */
export function during<T>(operation: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw error instanceof SyscallError ? new BpfError(operation, error) : error;
  }
}

const statistics =
  /^(processed \d+ insns|verification time|stack depth|max_states_per_insn|total_states|peak_states|mark_read)/;
const registerDump = /^\d+: (R\d|frame\d)|^(from \d+ to \d+|\d+: )?\(?R\d+(_w)?=/;

/**
 * The part of a verifier log worth showing first: the complaint (the last line that is neither statistics nor
 * register state), with the instruction and the source line before it.
 */
export function tellingLines(log: string, count = 6): string[] {
  const lines = log
    .replace(/\0+$/, "")
    .split("\n")
    .map((line) => line.trimEnd())
    .filter((line) => line !== "" && !statistics.test(line) && !registerDump.test(line));
  return lines.slice(-count);
}
