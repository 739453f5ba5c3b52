// BPF_PROG_LOAD: quietly first, and once more with a log that is large enough when the verifier says no.
import { SyscallError } from "@tsilium/syscall";
import { BpfError, VerifierError } from "../errors.ts";
import { functionRecordSize, lineRecordSize } from "../object/btf-ext.ts";
import type { ProgramSpec } from "../object/model.ts";
import { Attributes, command } from "./attributes.ts";
import { Program } from "./program.ts";

/** Verifier log: 1 complaints with state, 2 every instruction, 4 statistics only; added up. */
export type LogLevel = 0 | 1 | 2 | 4 | 5 | 6;

export type LoadedProgram = { readonly program: Program; readonly log: string };

const PSEUDO_MAP_FD = 1;
const PSEUDO_MAP_VALUE = 2;
const mostAttempts = 5;
const firstLogSize = 1 << 20;
const largestLogSize = 64 << 20;

/**
 * Loads a program. `descriptors` gives each referenced map's descriptor; `btfFd` is 0 without types.
 * @throws VerifierError when the verifier rejects it, BpfError for anything else.
 */
export function loadProgram(
  spec: ProgramSpec,
  descriptors: (map: string) => number,
  options: { btfFd: number; logLevel: LogLevel },
): LoadedProgram {
  const instructions = resolveReferences(spec, descriptors);
  const attempt = (logLevel: number, log: Uint8Array | undefined) =>
    loadAttributes(spec, instructions, options.btfFd, { logLevel, log });
  if (options.logLevel > 0) return loadWithLog(spec, options.logLevel, attempt);
  try {
    const fd = load(attempt(0, undefined));
    return { program: wrap(spec, fd), log: "" };
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    return loadWithLog(spec, 1, attempt);
  }
}

/** The verifier gives up, with EAGAIN, for a signal that is pending. As often as libbpf does. */
function load(attributes: Attributes): number {
  for (let attempt = 1; ; attempt++) {
    try {
      return attributes.call(command.programLoad);
    } catch (error) {
      const interrupted = error instanceof SyscallError && error.code === "EAGAIN";
      if (!interrupted || attempt === mostAttempts) throw error;
    }
  }
}

function wrap(spec: ProgramSpec, fd: number): Program {
  return Program.fromFd(fd, { name: spec.name, attachType: spec.kind.attachType });
}

function loadWithLog(
  spec: ProgramSpec,
  logLevel: number,
  attempt: (logLevel: number, log: Uint8Array) => Attributes,
): LoadedProgram {
  for (let size = firstLogSize; ; size *= 4) {
    const buffer = new Uint8Array(size);
    try {
      const fd = load(attempt(logLevel, buffer));
      return { program: wrap(spec, fd), log: logText(buffer) };
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
      if (error.code === "ENOSPC" && size < largestLogSize) continue;
      const log = logText(buffer);
      if (log === "") throw new BpfError(`load of program ${spec.name}`, error);
      throw new VerifierError(spec.name, error, log);
    }
  }
}

function logText(buffer: Uint8Array): string {
  const end = buffer.indexOf(0);
  return new TextDecoder().decode(buffer.subarray(0, end < 0 ? buffer.length : end));
}

function loadAttributes(
  spec: ProgramSpec,
  instructions: Uint8Array,
  btfFd: number,
  verifier: { logLevel: number; log: Uint8Array | undefined },
): Attributes {
  const attributes = new Attributes(128)
    .u32(0, spec.kind.type)
    .u32(4, instructions.length / 8)
    .pointer(8, instructions)
    .text(16, spec.license)
    .u32(24, verifier.logLevel)
    .u32(44, spec.kind.flags)
    .name(48, spec.name)
    .u32(68, spec.kind.attachType ?? 0);
  if (verifier.log) attributes.u32(28, verifier.log.length).pointer(32, verifier.log);
  if (btfFd > 0 && spec.functionInfo.length > 0) {
    attributes
      .u32(72, btfFd)
      .u32(76, functionRecordSize)
      .pointer(80, spec.functionInfo)
      .u32(88, spec.functionInfo.length / functionRecordSize)
      .u32(92, lineRecordSize)
      .pointer(96, spec.lineInfo)
      .u32(104, spec.lineInfo.length / lineRecordSize);
  }
  return attributes;
}

/** A copy of the instructions with every map reference given its descriptor. */
function resolveReferences(spec: ProgramSpec, descriptors: (map: string) => number): Uint8Array {
  const instructions = spec.instructions.slice();
  const view = new DataView(instructions.buffer);
  for (const { instruction, map, valueOffset } of spec.references) {
    const at = instruction * 8;
    const kind = valueOffset === undefined ? PSEUDO_MAP_FD : PSEUDO_MAP_VALUE;
    view.setUint8(at + 1, (view.getUint8(at + 1) & 15) | (kind << 4));
    view.setInt32(at + 4, descriptors(map), true);
    view.setInt32(at + 12, valueOffset ?? 0, true);
  }
  return instructions;
}
