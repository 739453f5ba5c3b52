// Programs of a few instructions, assembled by hand, that exist only to see whether the kernel takes them.
import { SyscallError } from "@tsilium/syscall";
import { VerifierError } from "../errors.ts";
import { loadProgram } from "../kernel/load-program.ts";

/** opcode, registers (source << 4 | destination), offset, immediate. */
type Instruction = readonly [number, number, number, number];

const moveImmediate = (register: number, value: number): Instruction => [0xb7, register, 0, value];
const callHelper = (number: number): Instruction => [0x85, 0, 0, number];
const exit: Instruction = [0x95, 0, 0, 0];

export const SCHED_CLS = 3;

type Snippet = {
  /** enum bpf_prog_type. */
  readonly type: number;
  readonly attachType?: number;
  readonly flags?: number;
};

/** Loads a program that returns 1 and closes it. @throws BpfError when this kind is unknown. */
export function loadSnippet(snippet: Snippet): void {
  load(snippet, [moveImmediate(0, 1), exit]);
}

/**
 * Whether programs of a type may call a helper. The call has no arguments, so most helpers are refused for
 * that; only a refusal of the helper itself counts.
 */
export function hasHelper(type: number, helper: number): boolean {
  try {
    load({ type }, [callHelper(helper), moveImmediate(0, 0), exit]);
    return true;
  } catch (error) {
    if (!(error instanceof VerifierError)) throw error;
    return !/(unknown|invalid) func|program of this type cannot use helper/.test(error.log);
  }
}

function load(snippet: Snippet, body: readonly Instruction[]): void {
  const instructions = new Uint8Array(body.length * 8);
  const view = new DataView(instructions.buffer);
  body.forEach(([opcode, registers, offset, immediate], index) => {
    view.setUint8(index * 8, opcode);
    view.setUint8(index * 8 + 1, registers);
    view.setInt16(index * 8 + 2, offset, true);
    view.setInt32(index * 8 + 4, immediate, true);
  });
  const spec = {
    name: "probe",
    section: "",
    kind: { type: snippet.type, attachType: snippet.attachType, flags: snippet.flags ?? 0 },
    license: "GPL",
    instructions,
    references: [],
    functionInfo: new Uint8Array(),
    lineInfo: new Uint8Array(),
  };
  const unresolvable = (): number => {
    throw new SyscallError("bpf", 22);
  };
  loadProgram(spec, unresolvable, { btfFd: 0, logLevel: 0 }).program.close();
}
