// Programs as the kernel takes them: a function from its own section, with every function it calls, directly
// or not, copied behind it and the calls pointed there. Map references stay open until loading.
//
//   entry | called A | called B          call imm = (target's first instruction) - (call's own number + 1)
import { ObjectError } from "../errors.ts";
import { functionRecordSize, lineRecordSize, type BtfExt, type ExtRecord } from "./btf-ext.ts";
import type { ElfFile, ElfSymbol, Relocation, Section } from "./elf.ts";
import { SHF_EXECINSTR, STB_LOCAL, STT_FUNC, STT_SECTION } from "./elf.ts";
import type { MapReference, ProgramSpec } from "./model.ts";
import { programKind } from "./sections.ts";
import { isDataSection } from "./variables.ts";

const LOAD_IMM64 = 0x18;
const CALL = 0x85;
const PSEUDO_CALL = 1;
const PSEUDO_FUNCTION = 4;
const R_BPF_64_64 = 1;
const R_BPF_64_32 = 10;

/** A function as it lies in the file. Offsets in bytes. */
type Function = {
  readonly symbol: ElfSymbol;
  readonly section: Section;
  readonly instructions: Uint8Array;
};

export type LinkInput = {
  readonly elf: ElfFile;
  readonly ext: BtfExt | undefined;
  /** Map names by offset within .maps. */
  readonly mapsByOffset: ReadonlyMap<number, string>;
  readonly license: string;
};

/** Every program of the object. @throws ObjectError section_unknown, relocation_unsupported, symbol_missing */
export function linkPrograms(input: LinkInput): ProgramSpec[] {
  const functions = readFunctions(input.elf);
  return functions
    .filter(({ section, symbol }) => section.name !== ".text" && symbol.binding !== STB_LOCAL)
    .map((entry) => linkProgram(input, functions, entry));
}

function readFunctions(elf: ElfFile): Function[] {
  return elf.symbols.flatMap((symbol) => {
    const section = elf.sections[symbol.section];
    if (symbol.type !== STT_FUNC || !section || (section.flags & SHF_EXECINSTR) === 0) return [];
    const instructions = section.data.subarray(symbol.value, symbol.value + symbol.size);
    return [{ symbol, section, instructions }];
  });
}

function linkProgram(
  input: LinkInput,
  functions: readonly Function[],
  entry: Function,
): ProgramSpec {
  const kind = programKind(entry.section.name);
  if (!kind)
    throw new ObjectError(
      "section_unknown",
      `program ${entry.symbol.name} is in section "${entry.section.name}", which names no kind of program`,
    );
  refuseCoreRelocations(input.ext, entry.section.name);
  const linked = new Linker(input, functions).link(entry);
  return {
    name: entry.symbol.name,
    section: entry.section.name,
    kind,
    license: input.license,
    ...linked,
  };
}

function refuseCoreRelocations(ext: BtfExt | undefined, section: string): void {
  if (ext?.coreSections.includes(section))
    throw new ObjectError(
      "relocation_unsupported",
      `section "${section}" has CO-RE relocations: this loader takes programs written against UAPI headers`,
    );
}

/** Lays out one program. Lives for one `link` call. */
class Linker {
  readonly #input: LinkInput;
  readonly #functions: readonly Function[];
  /** First instruction of each function within the output. */
  readonly #placed = new Map<Function, number>();
  readonly #calls: { instruction: number; target: Function }[] = [];
  readonly #references: MapReference[] = [];

  constructor(input: LinkInput, functions: readonly Function[]) {
    this.#input = input;
    this.#functions = functions;
  }

  link(
    entry: Function,
  ): Pick<ProgramSpec, "instructions" | "references" | "functionInfo" | "lineInfo"> {
    this.#place(entry, 0);
    // Grows while it is walked: reading a function's references places the functions it calls.
    for (const [placed, start] of this.#placed) this.#readReferences(placed, start);
    const parts = [...this.#placed.keys()].map((placed) => placed.instructions);
    const instructions = concatenate(parts);
    const view = new DataView(instructions.buffer);
    for (const { instruction, target } of this.#calls) {
      const start = this.#placed.get(target) as number;
      const at = instruction * 8;
      view.setInt32(at + 4, start - instruction - 1, true);
      // The address of a function (a callback for bpf_loop) is marked as such; a call already is.
      if (view.getUint8(at) === LOAD_IMM64)
        view.setUint8(at + 1, (view.getUint8(at + 1) & 15) | (PSEUDO_FUNCTION << 4));
    }
    return {
      instructions,
      references: this.#references,
      functionInfo: this.#info(this.#input.ext?.functions, functionRecordSize),
      lineInfo: this.#info(this.#input.ext?.lines, lineRecordSize),
    };
  }

  #place(target: Function, start: number): void {
    this.#placed.set(target, start);
  }

  #require(target: Function): void {
    if (this.#placed.has(target)) return;
    let end = 0;
    for (const [placed, start] of this.#placed)
      end = Math.max(end, start + placed.instructions.length / 8);
    this.#place(target, end);
  }

  #readReferences(placed: Function, start: number): void {
    const { symbol, section, instructions } = placed;
    const view = viewOf(instructions);
    const relocations = new Map<number, Relocation>();
    for (const relocation of this.#input.elf.relocationsOf(section)) {
      const offset = relocation.offset - symbol.value;
      if (offset >= 0 && offset < instructions.length) relocations.set(offset, relocation);
    }
    for (let offset = 0; offset < instructions.length; offset += 8) {
      const instruction = start + offset / 8;
      const relocation = relocations.get(offset);
      const opcode = view.getUint8(offset);
      const immediate = view.getInt32(offset + 4, true);
      const source = view.getUint8(offset + 1) >> 4;
      if (opcode === LOAD_IMM64) {
        if (relocation) this.#readLoad(relocation, instruction, immediate);
        offset += 8;
      } else if (opcode === CALL && (source === PSEUDO_CALL || relocation)) {
        const target = relocation
          ? callTarget(relocation, immediate)
          : { section: section.index, offset: symbol.value + offset + (immediate + 1) * 8 };
        this.#call(instruction, this.#functionAt(target, relocation?.symbol.name));
      } else if (relocation) {
        throw unsupported(symbol.name, `an instruction of opcode ${opcode} is relocated`);
      }
    }
  }

  /** A 64-bit constant that is an address: of a map, of a variable, or of a function (callbacks). */
  #readLoad(relocation: Relocation, instruction: number, addend: number): void {
    const { symbol } = relocation;
    const target = this.#input.elf.sections[symbol.section];
    if (relocation.type !== R_BPF_64_64) throw unsupported(symbol.name, `type ${relocation.type}`);
    if (symbol.section === 0 || !target) throw missing(symbol.name);
    if (target.name === ".maps") {
      const map = this.#input.mapsByOffset.get(symbol.value + addend);
      if (!map) throw missing(symbol.name);
      this.#references.push({ instruction, map, valueOffset: undefined });
    } else if (isDataSection(target)) {
      const valueOffset = symbol.value + addend;
      this.#references.push({ instruction, map: target.name, valueOffset });
    } else if ((target.flags & SHF_EXECINSTR) !== 0) {
      const at = { section: symbol.section, offset: symbol.value + addend };
      this.#call(instruction, this.#functionAt(at, symbol.name));
    } else {
      throw unsupported(symbol.name || target.name, `a reference into section ${target.name}`);
    }
  }

  #call(instruction: number, target: Function): void {
    this.#require(target);
    this.#calls.push({ instruction, target });
  }

  #functionAt(at: { section: number; offset: number }, name: string | undefined): Function {
    const found = this.#functions.find(
      ({ symbol }) => symbol.section === at.section && symbol.value === at.offset,
    );
    if (!found) throw missing(name ?? `function at ${at.offset}`);
    refuseCoreRelocations(this.#input.ext, found.section.name);
    return found;
  }

  /** The records of all placed functions, renumbered to the output. */
  #info(
    bySection: ReadonlyMap<string, readonly ExtRecord[]> | undefined,
    recordSize: number,
  ): Uint8Array {
    const parts: Uint8Array[] = [];
    for (const [{ section, symbol, instructions }, start] of this.#placed) {
      const first = symbol.value / 8;
      for (const record of bySection?.get(section.name) ?? []) {
        const within = record.instruction - first;
        if (within < 0 || within >= instructions.length / 8) continue;
        const bytes = record.bytes.slice(0, recordSize);
        viewOf(bytes).setUint32(0, start + within, true);
        parts.push(bytes);
      }
    }
    return concatenate(parts);
  }
}

/**
 * Where a relocated call goes. Clang writes the target within the section into the immediate (counted in
 * instructions, minus one) when the symbol is the section, and -1 when the symbol is the function.
 */
function callTarget(
  relocation: Relocation,
  immediate: number,
): { section: number; offset: number } {
  const { symbol } = relocation;
  if (relocation.type !== R_BPF_64_32) throw unsupported(symbol.name, `type ${relocation.type}`);
  if (symbol.section === 0) throw missing(symbol.name);
  if (symbol.type !== STT_FUNC && symbol.type !== STT_SECTION)
    throw unsupported(symbol.name, "a call of something that is no function");
  return { section: symbol.section, offset: symbol.value + (immediate + 1) * 8 };
}

function unsupported(name: string, what: string): ObjectError {
  return new ObjectError("relocation_unsupported", `relocation against ${name}: ${what}`);
}

function missing(name: string): ObjectError {
  return new ObjectError("symbol_missing", `${name} is used but not defined in this object`);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
