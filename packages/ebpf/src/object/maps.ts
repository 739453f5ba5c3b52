// Maps as programs declare them: structs in the section .maps whose members say type, key, value and size
// through BTF alone (bpf_helpers.h: __uint, __type, __array).
import { ObjectError } from "../errors.ts";
import { isMapOfMaps, mapTypeName, type MapType } from "../map-types.ts";
import type { Btf, BtfMember, BtfType } from "./btf.ts";
import type { ElfFile, Section } from "./elf.ts";
import { STT_FUNC } from "./elf.ts";
import type { MapContent, MapSpec } from "./model.ts";
import { sectionVariables, type PlacedVariable } from "./variables.ts";

type Struct = Extract<BtfType, { kind: "struct" | "union" }>;

/** The declared maps, in the order of their addresses. @throws ObjectError map_invalid */
export function readMaps(elf: ElfFile, btf: Btf): MapSpec[] {
  const section = elf.section(".maps");
  if (!section) return [];
  const placed = sectionVariables(elf, btf, section);
  return placed.map((variable) => {
    const struct = structOf(btf, variable.typeId, variable.name);
    const spec = readDefinition(btf, struct, variable.name);
    spec.contents = readContents({ elf, btf, section, placed, variable, struct });
    return spec;
  });
}

function structOf(btf: Btf, typeId: number, name: string): Struct {
  const type = btf.resolve(typeId);
  if (type.kind !== "struct") throw invalid(name, "is not a struct");
  return type;
}

function invalid(map: string, why: string): ObjectError {
  return new ObjectError("map_invalid", `map ${map} ${why}`);
}

/** A map from its struct. Members this package has no use for are refused: they would change its meaning. */
function readDefinition(btf: Btf, struct: Struct, name: string): MapSpec {
  const spec: MapSpec = {
    name,
    type: "array",
    keySize: 0,
    valueSize: 0,
    maxEntries: 0,
    flags: 0,
    mapExtra: 0n,
    pinByName: false,
    keyTypeId: 0,
    valueTypeId: 0,
    inner: undefined,
    contents: [],
    data: undefined,
    constant: false,
  };
  let typed = false;
  for (const member of struct.members) {
    switch (member.name) {
      case "type":
        spec.type = mapType(btf, member, name);
        typed = true;
        break;
      case "max_entries":
        spec.maxEntries = uint(btf, member, name);
        break;
      case "map_flags":
        spec.flags = uint(btf, member, name);
        break;
      case "key_size":
        spec.keySize = uint(btf, member, name);
        break;
      case "value_size":
        spec.valueSize = uint(btf, member, name);
        break;
      case "map_extra":
        spec.mapExtra = BigInt(uint(btf, member, name));
        break;
      case "pinning":
        spec.pinByName = uint(btf, member, name) === 1;
        break;
      case "key":
        spec.keyTypeId = pointee(btf, member, name);
        spec.keySize = btf.sizeOf(spec.keyTypeId);
        break;
      case "value":
        spec.valueTypeId = pointee(btf, member, name);
        spec.valueSize = btf.sizeOf(spec.valueTypeId);
        break;
      case "values":
        spec.inner = innerDefinition(btf, member, name);
        break;
      default:
        throw invalid(name, `has a member this loader does not know: ${member.name}`);
    }
  }
  if (!typed) throw invalid(name, "has no type");
  if (spec.inner || spec.type === "prog_array") spec.valueSize = 4;
  if (spec.type === "prog_array") spec.keySize = 4;
  return spec;
}

/** __uint(name, N) is `int (*name)[N]`; __ulong(name, N) an enum with one value. */
function uint(btf: Btf, member: BtfMember, map: string): number {
  const type = btf.resolve(member.type);
  if (type.kind === "enum" && type.values[0]) return Number(type.values[0].value);
  const array = type.kind === "ptr" ? btf.resolve(type.type) : undefined;
  if (array?.kind !== "array") throw invalid(map, `has a ${member.name} that is not __uint()`);
  return array.length;
}

function mapType(btf: Btf, member: BtfMember, map: string): MapType {
  const number = uint(btf, member, map);
  const name = mapTypeName(number);
  if (!name) throw invalid(map, `is of a kind this loader does not know: ${number}`);
  return name;
}

/** __type(name, T) is `T *name`. */
function pointee(btf: Btf, member: BtfMember, map: string): number {
  const type = btf.resolve(member.type);
  if (type.kind !== "ptr") throw invalid(map, `has a ${member.name} that is not __type()`);
  return type.type;
}

/** __array(values, struct inner) is `struct inner *values[]`; of functions for program arrays. */
function innerDefinition(btf: Btf, member: BtfMember, map: string): MapSpec | undefined {
  const array = btf.resolve(member.type);
  const pointer = array.kind === "array" ? btf.resolve(array.type) : undefined;
  if (pointer?.kind !== "ptr") throw invalid(map, "has values that are not __array()");
  const target = btf.resolve(pointer.type);
  if (target.kind === "func_proto") return undefined;
  if (target.kind !== "struct") throw invalid(map, "holds neither maps nor programs");
  const inner = readDefinition(btf, target, `${map}.inner`);
  if (isMapOfMaps(inner.type)) throw invalid(map, "holds maps of maps");
  return inner;
}

type Declaration = {
  readonly elf: ElfFile;
  readonly btf: Btf;
  readonly section: Section;
  readonly placed: readonly PlacedVariable[];
  readonly variable: PlacedVariable;
  readonly struct: Struct;
};

/** Static initialisers (`.values = { [0] = &inner }`) are relocations behind the declared struct. */
function readContents(declaration: Declaration): MapContent[] {
  const { elf, section, placed, variable, struct } = declaration;
  const values = struct.members.find((member) => member.name === "values");
  if (!values) return [];
  const start = variable.offset + values.bitOffset / 8;
  const end = placed.find((other) => other.offset > variable.offset)?.offset ?? section.size;
  const contents: MapContent[] = [];
  for (const relocation of elf.relocationsOf(section)) {
    if (relocation.offset < start || relocation.offset >= end) continue;
    const index = (relocation.offset - start) / 8;
    const { symbol } = relocation;
    if (symbol.section === section.index) contents.push({ index, kind: "map", name: symbol.name });
    else if (symbol.type === STT_FUNC) contents.push({ index, kind: "program", name: symbol.name });
    else throw invalid(variable.name, `starts with something that is no map and no program`);
  }
  return contents;
}
