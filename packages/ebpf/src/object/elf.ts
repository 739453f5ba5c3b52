// ELF64 little-endian relocatable objects, as clang writes them for the bpf target. Pure: bytes in, tables out.
import { ObjectError } from "../errors.ts";

export type Section = {
  readonly index: number;
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  /** Size in memory; `.bss` has a size and no data. */
  readonly size: number;
  readonly data: Uint8Array;
  readonly link: number;
  readonly info: number;
};

export type ElfSymbol = {
  readonly name: string;
  readonly type: number;
  readonly binding: number;
  readonly visibility: number;
  /** Index of its section; 0: undefined (extern). */
  readonly section: number;
  /** Offset within its section, bytes. */
  readonly value: number;
  readonly size: number;
};

export type Relocation = {
  /** Offset within the relocated section, bytes. */
  readonly offset: number;
  readonly type: number;
  readonly symbol: ElfSymbol;
};

export const SHT_PROGBITS = 1;
export const SHT_NOBITS = 8;
export const SHF_EXECINSTR = 4;
export const STT_OBJECT = 1;
export const STT_FUNC = 2;
export const STT_SECTION = 3;
export const STB_LOCAL = 0;
export const STV_HIDDEN = 2;

const SHT_SYMTAB = 2;
const SHT_REL = 9;
const EM_BPF = 247;
const headerSize = 64;
const sectionHeaderSize = 64;
const symbolSize = 24;
const relocationSize = 16;

export class ElfFile {
  readonly sections: readonly Section[];
  readonly symbols: readonly ElfSymbol[];
  readonly #relocations: ReadonlyMap<number, readonly Relocation[]>;

  /** @throws ObjectError elf_invalid */
  constructor(file: Uint8Array) {
    // A Buffer's slice() shares memory where a Uint8Array's copies: everything below counts on copies.
    const bytes = new Uint8Array(file.buffer, file.byteOffset, file.byteLength);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    try {
      checkHeader(bytes, view);
      this.sections = readSections(bytes, view);
      this.symbols = readSymbols(this.sections);
      this.#relocations = readRelocations(this.sections, this.symbols);
    } catch (error) {
      if (error instanceof RangeError) throw invalid("it is cut short");
      throw error;
    }
  }

  section(name: string): Section | undefined {
    return this.sections.find((section) => section.name === name);
  }

  /** Relocations that apply to a section, in the file's order. */
  relocationsOf(section: Section): readonly Relocation[] {
    return this.#relocations.get(section.index) ?? [];
  }
}

function invalid(why: string): ObjectError {
  return new ObjectError("elf_invalid", `not a BPF object file: ${why}`);
}

function checkHeader(bytes: Uint8Array, view: DataView): void {
  if (bytes.length < headerSize) throw invalid("it is cut short");
  if (view.getUint32(0) !== 0x7f454c46) throw invalid("no ELF magic");
  if (bytes[4] !== 2 || bytes[5] !== 1) throw invalid("not 64-bit little-endian");
  if (view.getUint16(18, true) !== EM_BPF) throw invalid("it is for another machine");
}

function readSections(bytes: Uint8Array, view: DataView): Section[] {
  const table = Number(view.getBigUint64(40, true));
  const count = view.getUint16(60, true);
  const namesIndex = view.getUint16(62, true);
  const header = (index: number) => table + index * sectionHeaderSize;
  const dataOf = (index: number) => {
    const start = Number(view.getBigUint64(header(index) + 24, true));
    const size = Number(view.getBigUint64(header(index) + 32, true));
    if (view.getUint32(header(index) + 4, true) === SHT_NOBITS) return new Uint8Array(0);
    if (start + size > bytes.length) throw invalid("a section lies outside the file");
    return bytes.subarray(start, start + size);
  };
  if (count === 0 || namesIndex >= count) throw invalid("no section names");
  const names = dataOf(namesIndex);
  return Array.from({ length: count }, (_, index) => ({
    index,
    name: readName(names, view.getUint32(header(index), true)),
    type: view.getUint32(header(index) + 4, true),
    flags: Number(view.getBigUint64(header(index) + 8, true)),
    size: Number(view.getBigUint64(header(index) + 32, true)),
    data: dataOf(index),
    link: view.getUint32(header(index) + 40, true),
    info: view.getUint32(header(index) + 44, true),
  }));
}

function readSymbols(sections: readonly Section[]): ElfSymbol[] {
  const table = sections.find((section) => section.type === SHT_SYMTAB);
  if (!table) return [];
  const names = sections[table.link]?.data;
  if (!names) throw invalid("no symbol names");
  const view = new DataView(table.data.buffer, table.data.byteOffset, table.data.byteLength);
  return Array.from({ length: Math.floor(table.size / symbolSize) }, (_, index) => {
    const at = index * symbolSize;
    const info = view.getUint8(at + 4);
    return {
      name: readName(names, view.getUint32(at, true)),
      type: info & 15,
      binding: info >> 4,
      visibility: view.getUint8(at + 5) & 3,
      section: view.getUint16(at + 6, true),
      value: Number(view.getBigUint64(at + 8, true)),
      size: Number(view.getBigUint64(at + 16, true)),
    };
  });
}

function readRelocations(
  sections: readonly Section[],
  symbols: readonly ElfSymbol[],
): Map<number, Relocation[]> {
  const found = new Map<number, Relocation[]>();
  for (const section of sections.filter((candidate) => candidate.type === SHT_REL)) {
    const { data } = section;
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    const entries = Array.from(
      { length: Math.floor(section.size / relocationSize) },
      (_, index) => {
        const symbol = symbols[view.getUint32(index * relocationSize + 12, true)];
        if (!symbol) throw invalid("a relocation names no symbol");
        return {
          offset: Number(view.getBigUint64(index * relocationSize, true)),
          type: view.getUint32(index * relocationSize + 8, true),
          symbol,
        };
      },
    );
    found.set(section.info, entries);
  }
  return found;
}

/** A zero-terminated string within a string table. */
export function readName(table: Uint8Array, offset: number): string {
  const end = table.indexOf(0, offset);
  return new TextDecoder().decode(table.subarray(offset, end < 0 ? table.length : end));
}
