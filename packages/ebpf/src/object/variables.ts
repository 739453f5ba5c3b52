// Global variables: each data section becomes an array map of one value, and each variable a named range in
// it. Clang leaves offsets in BTF at zero for the linker, so the symbol table says where things are.
import { BPF_F_RDONLY_PROG } from "../map-types.ts";
import type { Btf } from "./btf.ts";
import type { ElfFile, Section } from "./elf.ts";
import { SHF_EXECINSTR, SHT_NOBITS, SHT_PROGBITS, STT_SECTION } from "./elf.ts";
import type { MapSpec, VariableSpec } from "./model.ts";

/** Whether a section holds variables: .rodata, .data, .bss and their dotted relatives. */
export function isDataSection(section: Section): boolean {
  return (
    /^\.(rodata|data|bss)(\.|$)/.test(section.name) &&
    (section.type === SHT_PROGBITS || section.type === SHT_NOBITS) &&
    (section.flags & SHF_EXECINSTR) === 0 &&
    section.size > 0
  );
}

/** One array map per data section. */
export function dataMaps(elf: ElfFile, btf: Btf): MapSpec[] {
  return elf.sections.filter(isDataSection).map((section) => {
    const constant = section.name.startsWith(".rodata");
    const data = new Uint8Array(section.size);
    data.set(section.data);
    return {
      name: section.name,
      type: "array",
      keySize: 4,
      valueSize: section.size,
      maxEntries: 1,
      flags: constant ? BPF_F_RDONLY_PROG : 0,
      mapExtra: 0n,
      pinByName: false,
      keyTypeId: 0,
      valueTypeId:
        btf.find((type) => type.kind === "datasec" && type.name === section.name)[0] ?? 0,
      inner: undefined,
      contents: [],
      data,
      constant,
    };
  });
}

/** Every variable of the data sections that BTF knows. */
export function readVariables(elf: ElfFile, btf: Btf): VariableSpec[] {
  return elf.sections.filter(isDataSection).flatMap((section) => {
    const variables: VariableSpec[] = [];
    for (const { name, typeId, offset } of sectionVariables(elf, btf, section))
      variables.push({ name, section: section.name, offset, size: btf.sizeOf(typeId), typeId });
    return variables;
  });
}

export type PlacedVariable = {
  readonly name: string;
  /** Number of the BTF variable itself, as section records name it. */
  readonly variableId: number;
  readonly typeId: number;
  readonly offset: number;
};

/** The variables of one section, BTF's names with the symbol table's offsets, in order of offset. */
export function sectionVariables(elf: ElfFile, btf: Btf, section: Section): PlacedVariable[] {
  const placed: PlacedVariable[] = [];
  for (const { type } of btf.records) {
    if (type.kind !== "datasec" || type.name !== section.name) continue;
    for (const member of type.variables) {
      const variable = btf.type(member.type);
      if (variable.kind !== "var") continue;
      const symbol = elf.symbols.find(
        (candidate) =>
          candidate.name === variable.name &&
          candidate.section === section.index &&
          candidate.type !== STT_SECTION,
      );
      if (symbol)
        placed.push({
          name: variable.name,
          variableId: member.type,
          typeId: variable.type,
          offset: symbol.value,
        });
    }
  }
  return placed.toSorted((a, b) => a.offset - b.offset);
}
