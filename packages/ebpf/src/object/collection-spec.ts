// An object file read: maps, programs, variables and types. `parseObject` is pure and needs no privileges.
import { ObjectError } from "../errors.ts";
import { Btf } from "./btf.ts";
import { parseBtfExt } from "./btf-ext.ts";
import { encodeConstant } from "./constant.ts";
import { ElfFile } from "./elf.ts";
import { kernelBtf } from "./kernel-btf.ts";
import { linkPrograms } from "./linker.ts";
import { readMaps } from "./maps.ts";
import type { MapSpec, ProgramSpec, VariableSpec } from "./model.ts";
import { dataMaps, readVariables, sectionVariables } from "./variables.ts";

/** What an object file holds. Sizes of maps and constants may be edited until it is loaded. */
export class CollectionSpec {
  /** By name; data sections are maps too (".rodata"). */
  readonly maps: Readonly<Record<string, MapSpec>>;
  readonly programs: Readonly<Record<string, ProgramSpec>>;
  readonly variables: Readonly<Record<string, VariableSpec>>;
  readonly btf: Btf;
  /** The types as BPF_BTF_LOAD accepts them. */
  readonly kernelBtf: Uint8Array;

  constructor(
    parts: Pick<CollectionSpec, "maps" | "programs" | "variables" | "btf" | "kernelBtf">,
  ) {
    this.maps = parts.maps;
    this.programs = parts.programs;
    this.variables = parts.variables;
    this.btf = parts.btf;
    this.kernelBtf = parts.kernelBtf;
  }

  /**
   * Sets a global variable before loading; for `volatile const` ones the verifier then knows the value and
   * drops the branches it rules out. Numbers go to integers (big-endian for the types __be16, __be32 and
   * __be64, so that 80 means 80), booleans to bool or integers, bytes to anything of exactly their length.
   * @throws ObjectError constant_unknown, constant_size
   */
  setConstant(name: string, value: number | bigint | boolean | Uint8Array): void {
    const variable = this.variables[name];
    const data = variable && this.maps[variable.section]?.data;
    if (!data)
      throw new ObjectError("constant_unknown", `no variable named ${name} in this object`);
    data.set(encodeConstant(this.btf, variable, value), variable.offset);
  }

  /** Whether the object has a variable of this name. */
  hasConstant(name: string): boolean {
    return this.variables[name] !== undefined;
  }

  /** A copy whose maps and constants can be edited without touching this one. */
  clone(): CollectionSpec {
    const maps = Object.entries(this.maps).map(([name, map]) => [name, structuredClone(map)]);
    return new CollectionSpec({ ...this, maps: Object.fromEntries(maps) });
  }
}

/**
 * Reads an object file that clang made for the bpf target with debug information (-g).
 * @throws ObjectError
 */
export function parseObject(bytes: Uint8Array): CollectionSpec {
  try {
    return readObject(bytes);
  } catch (error) {
    // Sizes and references that lie: out of bounds, more than fits in memory, types that contain themselves.
    if (error instanceof RangeError)
      throw new ObjectError("elf_invalid", `not a BPF object file: ${error.message}`);
    throw error;
  }
}

function readObject(bytes: Uint8Array): CollectionSpec {
  const elf = new ElfFile(bytes);
  const btfSection = elf.section(".BTF");
  if (!btfSection) throw new ObjectError("btf_invalid", "no BTF in this object: compile with -g");
  const btf = new Btf(btfSection.data);
  const extSection = elf.section(".BTF.ext");
  const programs = linkPrograms({
    elf,
    ext: extSection && parseBtfExt(extSection.data, btf),
    mapsByOffset: mapsByOffset(elf, btf),
    license: readLicense(elf),
  });
  return new CollectionSpec({
    maps: byName([...readMaps(elf, btf), ...dataMaps(elf, btf)]),
    programs: byName(programs),
    variables: byName(readVariables(elf, btf)),
    btf,
    kernelBtf: kernelBtf(elf, btf),
  });
}

function mapsByOffset(elf: ElfFile, btf: Btf): Map<number, string> {
  const section = elf.section(".maps");
  const placed = section ? sectionVariables(elf, btf, section) : [];
  return new Map(placed.map(({ offset, name }) => [offset, name]));
}

function readLicense(elf: ElfFile): string {
  const text = new TextDecoder().decode(elf.section("license")?.data);
  return text.replace(/\0.*$/s, "");
}

function byName<T extends { readonly name: string }>(items: readonly T[]): Record<string, T> {
  return Object.fromEntries(items.map((item) => [item.name, item]));
}
